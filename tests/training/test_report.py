"""The report: what it says is what was measured, nothing breaks its tables, and it repeats itself."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.labels import Isotonic, Label, LabelSet, Temperature
from training.metrics.averages import macro_f1, micro_f1
from training.report.about import describe_machine, describe_versions
from training.report.confusion import confusions
from training.report.evaluation import Candidate, Evaluation, cross_fitted_figures
from training.report.examples import pick
from training.report.figures import Figures
from training.report.markdown import inline, section, show, table
from training.report.write import markdown, write_report

NASTY = "A | pipe, $x_1$ and `code` <b>\n# heading " + "word " * 100


def _evaluation(targets: Mapping[str, float] | None = None, rows: int = 60) -> Evaluation:
    rng = np.random.default_rng(0)
    truth = rng.random((rows, 4)) < [0.5, 0.3, 0.2, 0]
    label_set = LabelSet(
        labels=[Label(label=key, name=f"{key} | {key.upper()}") for key in ("cs", "math", "bio", "none")],
        calibration=Temperature(temperature=1.5),
    )

    def candidate(name: str, noise: float) -> Candidate:
        scores = (1 - noise) * truth + noise * rng.random(truth.shape)
        honest = {"f1_micro": 0.5, "f1_macro": 0.4}
        return Candidate(name, name.title(), scores.astype(np.float32), label_set, honest, {"fit": 1.5}, ["a note"])

    return Evaluation(
        title="papers",
        protocol="random split 80/10/10, seed 0",
        truth=truth,
        ids=[f"id{row}" for row in range(rows)],
        texts=[NASTY] * rows,
        model=candidate("model", 0.55),
        baselines=[candidate("words", 0.8), candidate("prior", 1.0)],
        about={"data fingerprint": "abc123"},
        targets=targets or {},
        history=[{"epoch": 0.0, "loss": 0.7}, {"epoch": 1.0, "loss": 0.5, "f1_micro": 0.6}],
        latency=[{"rows": 1, "p50 ms": 0.8}],
        samples=50,
    )


def test_the_folder_holds_report_plots_and_figures(tmp_path: Path) -> None:
    evaluation = _evaluation({"f1_micro": 0.1, "f1_macro": 0.999})
    figures = write_report(tmp_path / "report", evaluation)
    files = {path.name: path for path in (tmp_path / "report").iterdir()}
    plots = {"reliability.png", "labels.png", "training_loss.png", "training_f1.png"}
    assert set(files) == {"report.md", "evaluation.json", *plots}
    for name in plots:
        assert files[name].read_bytes().startswith(b"\x89PNG")
        assert files[name].stat().st_size < 100_000
    text = files["report.md"].read_text()
    for needed in (*plots, "random split 80/10/10, seed 0", "abc123", "id0", "a note", "p50 ms", "MISS", "pass"):
        assert needed in text
    assert list(figures.misses) == ["f1_macro"]


def test_the_json_holds_what_was_measured_and_its_protocol(tmp_path: Path) -> None:
    evaluation = _evaluation()
    write_report(tmp_path, evaluation)
    found = json.loads((tmp_path / "evaluation.json").read_text())
    own = found["candidates"]["model"]
    assigned = evaluation.model.label_set.assign(evaluation.model.label_set.calibrate(evaluation.model.scores))
    assert own["figures"]["f1_micro"] == pytest.approx(micro_f1(evaluation.truth, assigned), abs=1e-6)
    assert own["figures"]["f1_macro"] == pytest.approx(macro_f1(evaluation.truth, assigned), abs=1e-6)
    assert found["protocol"] == evaluation.protocol
    assert own["labels"][3]["auc"] is None
    gap = found["candidates"]["prior"]["difference"]["f1_micro"]
    assert gap["low"] <= gap["value"] <= gap["high"]
    assert gap["low"] > 0
    assert own["difference"] == {}


def test_the_same_evaluation_writes_the_same_report(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(tmp_path / name, _evaluation())
    for file in ("report.md", "evaluation.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    evaluation = _evaluation({"f1_micro": 0.1})
    width = 0
    for line in markdown(evaluation, Figures.of(evaluation)).splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = line.replace("\\|", "").count("|")
        width = width or cells
        assert cells == width, line


def test_a_report_without_baselines_history_or_latency_leaves_their_sections_out(tmp_path: Path) -> None:
    bare = replace(_evaluation(rows=3), baselines=(), history=(), latency=())
    write_report(tmp_path, bare)
    text = (tmp_path / "report.md").read_text()
    assert "## Training" not in text
    assert "## Latency" not in text
    assert "difference" not in text.split("## Calibration")[0].replace("differences are paired", "")


def test_a_target_that_no_figure_has_is_refused() -> None:
    with pytest.raises(ValueError, match="no figure is called f2; there are precision_micro"):
        Figures.of(_evaluation({"f2": 0.5}))


def test_parts_that_do_not_fit_are_refused_with_the_candidates_name() -> None:
    whole = _evaluation()
    with pytest.raises(ValueError, match="59 ids"):
        replace(whole, ids=whole.ids[:59])
    with pytest.raises(ValueError, match=r"model: scores \(59, 4\)"):
        replace(whole, model=replace(whole.model, scores=whole.model.scores[:59]))


def test_confusions_count_what_was_given_for_what() -> None:
    truth = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
    assigned = np.array([[0, 1, 0], [0, 1, 0], [1, 1, 0], [1, 0, 0]], dtype=bool)
    first, second = confusions(truth, assigned)
    assert (first.missed, first.given, first.rows, first.together) == (0, 1, 2, 1)
    assert first.share == pytest.approx(2 / 3)
    assert (second.missed, second.given, second.rows) == (2, 0, 1)


def test_examples_are_the_rows_that_are_most_right_and_most_wrong() -> None:
    truth = np.tile([[True, False]], (10, 1))
    scores = np.stack([np.linspace(0.05, 0.95, 10), np.full(10, 0.1)], axis=1).astype(np.float32)
    found = pick(truth, scores)
    assert (found["best"], found["worst"]) == ([9, 8, 7], [0, 1, 2])
    assert len(set(found["random"])) == 3


@given(st.text(max_size=400))
def test_texts_stay_on_one_line_and_are_cut(text: str) -> None:
    found = inline(text, 50)
    assert "\n" not in found
    assert len(found.replace("\\", "")) <= 50


def test_markdown_in_texts_is_shown_as_it_stands() -> None:
    assert inline("a|b <i> `c` #1\nd") == r"a\|b \<i\> \`c\` \#1 d"


def test_pieces_of_markdown_line_up() -> None:
    assert table(("a", "bbb"), [[1, None], [0.5, "x"]]) == [
        "| a      | bbb |",
        "|--------|-----|",
        "| 1      |     |",
        "| 0.5000 | x   |",
    ]
    assert section("empty", [], []) == []


def test_intervals_are_written_with_their_sign_where_they_are_differences() -> None:
    evaluation = _evaluation()
    gap = Figures.of(evaluation).candidates["prior"].difference["f1_micro"]
    assert show(gap, signed=True).startswith("+0.")
    assert "[+0." in show(gap, signed=True)


def test_an_isotonic_calibration_is_reported_too() -> None:
    evaluation = _evaluation()
    rule = evaluation.model.label_set.with_decision(Isotonic(knots=[[(0.0, 0.0), (1.0, 1.0)]] * 4), [0.5] * 4)
    changed = replace(evaluation, model=replace(evaluation.model, label_set=rule))
    assert "fitted on validation rows: isotonic" in markdown(changed, Figures.of(changed))


def test_cross_fitted_figures_are_those_of_the_decisions() -> None:
    from training.decision.fit import CrossFitted

    truth = _evaluation().truth
    assert cross_fitted_figures(CrossFitted(truth.astype(np.float32), truth), truth)["f1_micro"] == 1


def test_the_machine_and_the_versions_are_told() -> None:
    assert "usable cores" in describe_machine()["cpu"]
    assert f"numpy {np.__version__}" in describe_versions()["versions"]
    assert "nothing-of-this-name not installed" in describe_versions(["nothing-of-this-name"])["versions"]
