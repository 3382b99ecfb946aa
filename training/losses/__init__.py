"""Losses over logits, one in each file."""
