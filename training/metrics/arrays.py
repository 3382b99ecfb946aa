"""The matrices that metrics compute on, and a division that is defined everywhere."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Truth = NDArray[np.bool_]
"""Which labels a row has, [rows, labels]."""
Assigned = NDArray[np.bool_]
"""Which labels a row was given, [rows, labels]."""
Scores = NDArray[np.float32]
"""How sure a model is of each label, 0 to 1, [rows, labels]."""
Values = NDArray[np.float64]


def divide(numerator: NDArray[Any], denominator: NDArray[Any]) -> Values:
    """Return numerator / denominator, and 0 where the denominator is 0."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, dtype=np.float64), denominator)
    quotient: Values = np.divide(top, bottom, out=np.zeros(top.shape), where=bottom != 0)
    return quotient


def mean(values: NDArray[Any]) -> float:
    """Return the mean, and 0 of nothing."""
    return float(np.mean(values)) if values.size else 0.0


def as_truth(labels: NDArray[Any]) -> Truth:
    """Return 0/1 or boolean labels [rows, labels] as booleans; a ValueError tells what else they are."""
    if labels.ndim != 2:
        raise ValueError(f"labels are a matrix [rows, labels], not of shape {labels.shape}")
    if labels.dtype != np.bool_ and not np.isin(labels, (0, 1)).all():
        raise ValueError("labels are 0 or 1; found other values")
    return labels.astype(np.bool_)
