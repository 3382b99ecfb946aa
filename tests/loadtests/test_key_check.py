import pytest

from loadtests import key_check


def test_the_table_has_the_gate_and_the_front(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(key_check, "CALLS", 10)
    monkeypatch.setattr(key_check, "ROUNDS", 1)
    assert key_check.main() == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 4 + 2
