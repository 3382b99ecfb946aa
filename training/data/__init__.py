"""Data sets: where they come from, what is the same row twice, which rows train and which rows judge."""
