"""How far one version's result is another's: from 0, nothing in common, to 1."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bundle.golden import cosine_rows
from serving.classifying import Classified
from serving.errors import JubakoError
from serving.model import Result
from serving.recommender.answers import Item


class Agreement(NamedTuple):
    """One comparison."""

    measure: str
    value: float


def of_vectors(answer: Result, copy: Result) -> Agreement | None:
    """Return the mean cosine of the inputs' vectors; None: they have not the same length, or no input has both."""
    both = [
        (ours, theirs)
        for ours, theirs in zip(answer.outputs, copy.outputs, strict=True)
        if not isinstance(ours, JubakoError) and not isinstance(theirs, JubakoError)
    ]
    if not both or any(len(ours) != len(theirs) for ours, theirs in both):
        return None
    ours, theirs = (np.stack(side) for side in zip(*both, strict=True))  # [inputs, dimensions]
    return Agreement("cosine", float(cosine_rows(ours, theirs).mean()))


def of_labels(answer: Classified, copy: Classified) -> Agreement | None:
    """Return the mean overlap (Jaccard) of the inputs' assigned labels; None: no input has both.

    Two inputs that are assigned nothing agree.
    """
    ours, theirs = _assigned(answer), _assigned(copy)
    both = [(ours[place], theirs[place]) for place in ours if place in theirs]
    if not both:
        return None
    return Agreement("labels", float(np.mean([len(a & b) / len(a | b) if a | b else 1.0 for a, b in both])))


def of_items(answer: Sequence[Item], copy: Sequence[Item]) -> Agreement | None:
    """Return the overlap at k: the share of the answered items that the copy has among as many; None: none were."""
    if not answer:
        return None
    ours, theirs = ({item.id for item in items[: len(answer)]} for items in (answer, copy))
    return Agreement("overlap", len(ours & theirs) / len(ours))


def _assigned(classified: Classified) -> dict[int, frozenset[str]]:
    """Return the labels that each input without an error is assigned, by its place."""
    errors = classified.result.errors
    places = [place for place in range(len(classified.result.outputs)) if place not in errors]
    names = [label.label for label in classified.labels]
    return {
        place: frozenset(names[column] for column in np.flatnonzero(assigned))
        for place, assigned in zip(places, classified.assigned, strict=True)
    }
