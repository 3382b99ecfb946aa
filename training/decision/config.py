"""What may be chosen about a decision rule."""

from typing import Literal

from pydantic import Field

from features.labels import Strict


class DecisionConfig(Strict):
    """How scores become calibrated scores and decisions."""

    calibration: Literal["none", "temperature", "isotonic"] = "isotonic"
    """One number for all labels, a rising map for each label, or nothing."""
    thresholds: Literal["default", "global", "per_label", "shrunk"] = "shrunk"
    """.5 for all; the best one for all; each label's best; or each label's best where its truth is mixed with what the
    calibrated scores lead to expect, the more so the fewer positives it has."""
    micro_share: float = Field(0.5, ge=0, le=1)
    """What thresholds maximise: this share of micro-F1 and the rest of macro-F1."""
    shrinkage_positives: float = Field(20.0, ge=0)
    """With `shrunk`, a label with so many positives is judged half by its truth and half by its scores."""
    min_positives: int = Field(5, ge=1)
    """With `per_label`, a label with fewer positives has the threshold for all."""
    isotonic_min_positives: int = Field(20, ge=1)
    """A label with fewer positives shares one map with all such labels."""
    isotonic_knots: int = Field(12, ge=3, le=64)
    """Most points of a label's map."""
    rounds: int = Field(10, ge=1)
    """Most rounds of coordinate ascent over the labels."""
