import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bundle.bundle import Bundle
from jubako.cli import app


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
