import json

import pytest

from loadtests import compression


def test_every_kind_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(compression, "FOR_S", 0.001)
    assert compression.main() == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(list(compression.bodies()))
    assert all("x, " in line for line in lines[2:])


def test_the_bodies_are_answers() -> None:
    for name, body in compression.bodies():
        assert len(json.loads(body)["data"]) == (32 if "32 texts" in name else 1)
