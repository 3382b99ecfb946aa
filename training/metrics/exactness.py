"""How often decisions are wrong one by one, and how often a whole row is right."""

from training.metrics.arrays import Assigned, Truth, mean


def hamming_loss(truth: Truth, assigned: Assigned) -> float:
    """Return the share of decisions [rows, labels] that are wrong."""
    return mean(truth != assigned)


def subset_accuracy(truth: Truth, assigned: Assigned) -> float:
    """Return the share of rows whose labels are all right."""
    return mean((truth == assigned).all(axis=1))
