"""Every figure of a multi-label classifier in one go."""

from training.metrics.arrays import Assigned, Scores, Truth
from training.metrics.averages import averages
from training.metrics.calibration import brier, calibration_error, label_calibration_errors, log_loss
from training.metrics.exactness import hamming_loss, subset_accuracy
from training.metrics.per_label import mean_defined
from training.metrics.ranking import average_precision, lrap, roc_auc

DEFINITIONS = {
    "f1_micro": "over all decisions",
    "f1_macro": "mean over the labels that occur in the rows scored",
    "f1_macro_all": "mean over every label; one without a positive counts 0",
    "f1_weighted": "mean over labels, weighed by their positives",
    "f1_samples": "mean over rows",
    "hamming_loss": "share of wrong decisions",
    "subset_accuracy": "share of rows whose labels are all right",
    "lrap": "label ranking average precision",
    "average_precision_macro": "mean over the labels that occur",
    "auc_macro": "mean over the labels with positives and negatives",
    "ece": "expected calibration error, all decisions, 15 bins of equal width",
    "ece_mass": "the same with 15 bins of equal numbers of decisions",
    "ece_label": "mean over labels of each one's own, 15 bins of equal width",
    "brier": "mean squared error of the scores",
    "log_loss": "mean binary cross-entropy, nats",
}
"""What each figure is; precision and recall have the averages of F1."""


def measure(truth: Truth, scores: Scores, assigned: Assigned) -> dict[str, float]:
    """Return every figure of calibrated scores and decisions, all [rows, labels]; see DEFINITIONS."""
    if not truth.shape == scores.shape == assigned.shape:
        raise ValueError(f"truth {truth.shape}, scores {scores.shape} and decisions {assigned.shape} differ in shape")
    columns = range(truth.shape[1])
    return {
        **averages(truth, assigned),
        "hamming_loss": hamming_loss(truth, assigned),
        "subset_accuracy": subset_accuracy(truth, assigned),
        "lrap": lrap(truth, scores),
        "average_precision_macro": mean_defined([average_precision(truth[:, at], scores[:, at]) for at in columns]),
        "auc_macro": mean_defined([roc_auc(truth[:, at], scores[:, at]) for at in columns]),
        "ece": calibration_error(truth, scores),
        "ece_mass": calibration_error(truth, scores, "mass"),
        "ece_label": float(label_calibration_errors(truth, scores).mean()),
        "brier": brier(truth, scores),
        "log_loss": log_loss(truth, scores),
    }
