"""Training: configuration, data, losses, metrics and one loop, shared by every model family."""
