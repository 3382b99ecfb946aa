"""Reports a person wants to read: Markdown with plots, and every figure as JSON beside it."""
