import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bundle.bundle import Bundle
from jubako.cli import app
from tests.trained import PAPERS, Home
from training.recipes import CONFIGS

RECIPES = sorted({path.stem for path in CONFIGS.glob("*.yaml")} - {"text"})


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert result.exit_code == status, result.output
    return result.output


def test_models_are_listed(stored_tiny: Bundle) -> None:
    assert "tiny:1" in run("models", "list")


def test_a_model_is_shown(stored_tiny: Bundle) -> None:
    shown = run("models", "show", "tiny")
    assert "graphs/encoder.fp32.onnx" in shown
    assert "32 dimensions, unit length" in shown


def test_a_sound_model_verifies(stored_tiny: Bundle) -> None:
    assert "golden vectors hold" in run("models", "verify", "tiny")


def test_a_spoilt_folder_does_not(tiny: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny.root, copy)
    with (copy / "tokenizer.json").open("a") as file:
        file.write(" ")
    assert "tokenizer.json" in run("models", "verify", str(copy), status=1)


@pytest.mark.parametrize("command", ["show", "verify"])
def test_an_unknown_model_is_told_in_one_line(stored_tiny: Bundle, command: str) -> None:
    told = run("models", command, "bookz", status=1)
    assert "no bundle 'bookz'" in told
    assert "Traceback" not in told


def test_settings_are_printed() -> None:
    assert "JUBAKO_QUEUE__MAX_TOKENS" in run("settings", "--markdown")
    assert "JUBAKO_QUEUE__MAX_TOKENS" in run("settings")


def test_the_package_imports_no_server_code(repository: Path) -> None:
    script = "import jubako, sys; assert not {'bentoml', 'onnxruntime', 'serving'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=repository)
    assert done.returncode == 0, done.stderr


def given(*overrides: str) -> list[str]:
    return [part for override in overrides for part in ("--set", override)]


QUICK = given(*PAPERS, "data.sample_rows=700", "training.epochs=2", "export.sample_floors={}")


@pytest.fixture
def runs(at_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of runs."""
    monkeypatch.setenv("JUBAKO_RUNS_DIR", str(tmp_path / "runs"))
    return tmp_path / "runs"


def test_a_classifier_goes_the_whole_way(runs: Path) -> None:
    told = run("train", "papers", *QUICK)
    assert "trained on: GENERATED SAMPLE" in told
    assert "next: jubako evaluate papers, jubako export papers" in told
    told = run("evaluate", "papers", *QUICK)
    assert "TF-IDF + logistic regression" in told
    assert str(runs / "papers" / "report" / "report.md") in told
    assert "stored whole-way:" in run("export", "papers", "--name", "whole-way", *QUICK)

    assert "whole-way:" in run("models", "list")
    shown = run("models", "show", "whole-way")
    assert "trained    on GENERATED SAMPLE" in shown
    assert "measured   test_f1_micro" in shown
    assert "golden vectors hold" in run("models", "verify", "whole-way")


def test_the_whole_way_of_dev_leaves_the_real_run_alone(runs: Path) -> None:
    settings = given("training.threads=1", "export.precisions=[]")
    run("train", "papers", "--dev", *settings)
    run("evaluate", "papers", "--dev", *settings)
    assert "stored papers-dev:" in run("export", "papers", "--dev", *settings)
    assert [path.name for path in runs.iterdir()] == ["papers-dev"]


def test_a_model_of_three_branches_goes_the_way_of_dev(runs: Path, at_home: Home) -> None:
    settings = given(*at_home.genres, "export.precisions=[]")
    run("train", "genres", "--dev", *settings)
    assert "stored genres-dev:" in run("export", "genres", "--dev", *settings)


def test_what_is_stored_is_neither_trained_nor_exported_again(stored_tales: Bundle, runs: Path) -> None:
    stored = given("name=tales")
    assert f"{stored_tales.tag} is stored already" in run("train", "papers", "--if-missing", *stored)
    assert f"{stored_tales.tag} is stored already" in run("export", "papers", "--if-missing", *stored)
    assert f"{stored_tales.tag} is stored already" in run("export", "text", "--if-missing", "--name", "tales")
    assert not runs.exists()


def test_a_run_that_has_ended_is_not_trained_again(runs: Path) -> None:
    run("train", "papers", *QUICK)
    before = (runs / "papers" / "metrics.json").read_text()
    assert "has ended" in run("train", "papers", *QUICK)
    assert (runs / "papers" / "metrics.json").read_text() == before
    run("train", "papers", "--from-scratch", *QUICK)
    seconds = [json.loads(text)["seconds"] for text in (before, (runs / "papers" / "metrics.json").read_text())]
    assert seconds[0] != seconds[1]


def test_a_sweep_over_the_learning_rate_compares_models_that_differ(runs: Path) -> None:
    watched = given("training.early_stopping={metric: f1, mode: max}")
    told = run("sweep", "papers", "--grid", "lr=2e-3,2e-7", *QUICK, *watched)
    assert "| training.learning_rate | f1 |" in told
    points = json.loads((runs / "papers-sweep" / "sweep.json").read_text())
    assert [point["values"]["training.learning_rate"] for point in points] == [2e-3, 2e-7]
    assert points[0]["validation"]["f1"] > points[1]["validation"]["f1"] + 0.02


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "bookz"], f"no recipe 'bookz'; recipes: {', '.join(RECIPES)}"),
        (["evaluate", "bookz"], "no recipe 'bookz'"),
        (["sweep", "bookz", "--grid", "lr=1"], "no recipe 'bookz'"),
        (["export", "bookz"], f"'bookz' cannot be read; configurations: {', '.join(sorted([*RECIPES, 'text']))}"),
        (["train", "text"], "text.yaml has no `family`"),
        (["train", "papers", "--set", "trainig.epochs=1"], "unknown key 'trainig'; did you mean 'training'?"),
        (["export", "papers", "--set", "bag.bits=3"], "unknown key 'bag.bits'"),
        (["train", "papers", "--set", "training.epochs=0"], "training.epochs: Input should be greater"),
        (["train", "papers", "--set", "data.path=nowhere.parquet"], "nowhere.parquet: no such file"),
        (["export", "papers", "--from", "wheel:x"], "what is trained is exported from its run: --run NAME"),
        (["export", "text", "--set", "name=x"], "--set is for recipes that are trained"),
        (["evaluate", "papers"], "no run 'papers' in"),
        (["export", "papers"], "no run 'papers' in"),
        (["export", "papers", "--dev", "--run", "other"], "no run 'other' in"),
        (["sweep", "papers", "--grid", "lr"], "'lr' is not KEY=VALUE"),
        (["sweep", "papers", "--grid", "rows=1,2"], "'rows' is not clear"),
    ],
)
def test_errors_are_told_in_one_line(runs: Path, arguments: list[str], told: str) -> None:
    output = run(*arguments, status=1)
    assert told in output
    assert "Traceback" not in output
    assert len(output.strip().splitlines()) == 1


def test_a_run_that_has_not_ended_is_not_exported(runs: Path) -> None:
    run("train", "papers", *QUICK)
    metrics = runs / "papers" / "metrics.json"
    metrics.write_text(metrics.read_text().replace('"stopped": "epochs"', '"stopped": null'))
    for command in ("evaluate", "export"):
        assert "run papers has not ended; go on with it: jubako train papers" in run(
            command, "papers", *QUICK, status=1
        )
