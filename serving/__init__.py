"""Serving: engine, scheduler, models and transports. Nothing here imports torch, transformers or lightning."""
