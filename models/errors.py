"""The error that a checkpoint raises when it cannot be read or run."""


class CheckpointError(Exception):
    """A checkpoint is incomplete, malformed or of a kind that is not supported; the message says which and why."""
