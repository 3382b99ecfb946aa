"""Transports. Each parses, calls the core, and formats; none holds model logic."""
