"""What can go wrong with data."""

from training.errors import TrainingError


class DataError(TrainingError):
    """Data that is missing, unreadable or unfit; the message tells what to do."""
