"""A classifier's way from its run to a bundle in the store. Read top to bottom.

run -> PyTorch module -> floors -> fp32 -> gate -> fused -> gate -> 8-bit -> gate -> fp16 -> gate -> bundle -> store
"""

import shutil
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bundle.bundle import Bundle, seal
from bundle.digest import describe_files, sha256_of
from bundle.golden import Golden
from bundle.manifest import Manifest, Precision, Provenance, Task, TaskMetric, TrainingData
from export.errors import ExportError
from export.figures import refuse_below, tested
from export.fuse import Shape, fuse_for_cpu, fuse_for_cuda, fuse_for_int8
from export.gates import Verdict
from export.half import to_half
from export.passes import Passes
from export.quantize import quantise
from export.runner import embed, run_named
from export.score_gate import HeldOut, ScoreGate
from export.scorer import export_scorer
from export.tables import quantise_tables
from features.labels import LABELS_FILE
from features.pipeline import TOKENIZER_FILE
from models.classifier import Scorer
from training.classifier_evaluation import protocol
from training.metrics.averages import macro_f1, micro_f1
from training.steps import Steps, Tick
from training.trained_classifier import TrainedClassifier

ODD_TEXTS = ["", "a", "数据", "été 😀", "\\(x^2\\)", "long " * 2000]
"""Beside held-out rows, what graphs are compared on."""
GOLDEN_ROWS = 10
CALIBRATION_ROWS = 48
TESTED = ("f1_micro", "f1_macro", "lrap")
"""Figures of the evaluation that the manifest tells."""


def build_classifier(trained: TrainedClassifier, root: Path, name: str, steps: Steps) -> Bundle:
    """Export into the empty folder `root` and return the sealed bundle; nothing is stored.

    Raises:
        ExportError: the classifier is below a floor, or its graph does not agree with PyTorch.
    """
    recipe, config = trained.recipe, trained.recipe.config.export
    features, validation = recipe.pipeline.features, recipe.validation
    with steps.step("decision rule on validation rows"):
        labels, figures = trained.label_set, _validated(trained)
    if recipe.data.generated:
        refuse_below(config.sample_floors.model_dump(), figures, "export.sample_floors")
    else:
        refuse_below(config.floors.model_dump(), figures, "export.floors")
    scorer = Scorer(trained.whole(), tuple(features.collate(validation.rows[:1]).inputs)).eval()
    with steps.step("PyTorch reference"):
        rows = min(config.gate_rows, len(validation.texts))
        held_out = HeldOut(
            validation.texts[:rows],
            validation.truth[:rows],
            trained.validation_scores[:rows],
            f"{rows:,} validation rows of {protocol(trained)}",
        )
        probes = [*ODD_TEXTS, *validation.texts[: config.probe_rows]]
        gate = ScoreGate(run_named(scorer, scorer.names), features, probes, held_out, labels, config.tolerances)

    work = Passes(root / "graphs", partial(_check, gate, trained), steps)
    fp32 = work.attempt(Precision.FP32, lambda target, tick: export_scorer(scorer, target))
    if fp32 is None:
        raise ExportError(f"the fp32 graph does not agree with PyTorch: {work.dropped[-1].reason}")
    with TemporaryDirectory(prefix="jubako-passes-") as scratch:
        _reduce(work, trained, fp32, Path(scratch))
    with steps.step("bundle"):
        golden = [*ODD_TEXTS, *validation.texts[:GOLDEN_ROWS]]
        Golden(golden, embed(run_named(scorer, scorer.names), features, golden)).write(root)
        recipe.pipeline.write(root)
        (root / LABELS_FILE).write_text(labels.model_dump_json(indent=2) + "\n")
        if recipe.tokenizer_file is not None:
            shutil.copy(recipe.tokenizer_file, root / TOKENIZER_FILE)
        return seal(root, _manifest(root, name, trained, figures, work))


def _reduce(work: Passes, trained: TrainedClassifier, fp32: Path, scratch: Path) -> None:
    """Try the faster forms: fused for a transformer, eight bits, half precision."""
    recipe = trained.recipe
    wanted = recipe.config.export.precisions
    shape = Shape.of(recipe.backbone.config) if recipe.backbone is not None else None
    if shape is not None and Precision.FUSED in wanted:
        work.attempt(Precision.FUSED, lambda target, tick: fuse_for_cpu(fp32, target, shape))
    if Precision.INT8 in wanted:
        work.attempt(Precision.INT8, lambda target, tick: _to_eight_bits(trained, fp32, target, scratch, shape, tick))
    if Precision.FP16 in wanted:
        prepared = scratch / "cuda.onnx"
        if shape is not None:
            fuse_for_cuda(fp32, prepared, shape)
        work.attempt(Precision.FP16, lambda target, tick: to_half(prepared if shape else fp32, target))


def _to_eight_bits(
    trained: TrainedClassifier, fp32: Path, target: Path, scratch: Path, shape: Shape | None, tick: Tick
) -> None:
    """Put tables into eight bits, a scale for each row, and a transformer's products, a scale for each token."""
    source = fp32
    if shape is not None:
        fused, source = scratch / "plain.onnx", scratch / "int8.onnx"
        fuse_for_int8(fp32, fused, shape)
        rows = sorted(trained.recipe.validation.rows[:CALIBRATION_ROWS], key=len)
        collate = trained.recipe.pipeline.features.collate
        quantise(fused, source, [collate(rows[at : at + 8]) for at in range(0, len(rows), 8)], tick=tick)
    if not quantise_tables(source, target) and shape is None:
        raise ValueError("the graph has no table large enough to be worth eight bits")


def _check(gate: ScoreGate, trained: TrainedClassifier, precision: Precision, path: Path) -> Verdict:
    config = trained.recipe.config.export
    if precision is Precision.FP16:
        return gate.check(precision, path, config.int8_max_abs, config.fp16_probe_rows)
    off = config.int8_max_abs if precision is Precision.INT8 else config.tolerances.fp32_max_abs
    return gate.check(precision, path, off)


def _manifest(root: Path, name: str, trained: TrainedClassifier, figures: list[TaskMetric], work: Passes) -> Manifest:
    recipe, created = trained.recipe, datetime.now(UTC)
    data, encoder = trained.run.data(), recipe.config.encoder
    return Manifest(
        name=name,
        family=recipe.config.family,
        version=created.strftime("%Y%m%d-%H%M%S"),
        tasks=[Task.CLASSIFY],
        created=created,
        provenance=Provenance(
            source=recipe.source.name if recipe.source is not None else "trained from scratch",
            weights_sha256=sha256_of(trained.run.best_weights()),
            licence=encoder.licence if encoder is not None else None,
            architecture=" + ".join(trained.module.branches),
            parameters=sum(parameter.numel() for parameter in trained.whole().parameters()),
        ),
        training_data=TrainingData(description=data.description, sha256=data.sha256, rows=data.rows["train"]),
        metrics=[*figures, *tested(trained.run, TESTED)],
        record=recipe.data.source.kind,
        max_tokens=recipe.pipeline.max_tokens,
        tolerances=recipe.config.export.tolerances,
        graphs=work.graphs,
        dropped=work.dropped,
        files=describe_files(root),
    )


def _validated(trained: TrainedClassifier) -> list[TaskMetric]:
    """Return F1 on the validation rows, cross-fitted: a rule fitted on the rows that it decides would flatter."""
    truth, assigned = trained.recipe.validation.truth, trained.cross_fitted().assigned
    how = f"{len(truth):,} validation rows, each decided by a rule fitted without it; {protocol(trained)}"
    values = {"micro_f1": micro_f1(truth, assigned), "macro_f1": macro_f1(truth, assigned)}
    return [TaskMetric(name=name, value=value, protocol=how) for name, value in values.items()]
