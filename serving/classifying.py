"""What a classify request comes to, whoever scored it: a classifier, or a text encoder with labels of the caller's."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from features.labels import Assigned, Scores
from serving.errors import JubakoError
from serving.model import Result


class LabelName(NamedTuple):
    """How a label is called."""

    label: str
    """By programs."""
    name: str
    """By people."""


@dataclass(frozen=True)
class Classified:
    """Scores and decisions for the inputs of one request."""

    labels: tuple[LabelName, ...]
    """In the order of the columns."""
    scores: Scores
    """Calibrated, [rows, labels], a row for each input that has no error."""
    assigned: Assigned
    """[rows, labels]."""
    result: Result
    """Where errors stand in their inputs' places; tokens and times."""


def stack_outputs(result: Result, width: int) -> Scores:
    """Return the outputs of the inputs that have no error, [rows, width]."""
    outputs = [output for output in result.outputs if not isinstance(output, JubakoError)]
    if len(outputs) == 1:
        return outputs[0][None]
    return np.stack(outputs) if outputs else np.zeros((0, width), dtype=np.float32)
