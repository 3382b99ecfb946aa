"""The soak, end to end on a tiny server for some seconds, and its arithmetic."""

import json
from pathlib import Path

import numpy as np
import pytest

from bundle.bundle import Bundle
from loadtests.plan import NS, Record
from loadtests.soak import markdown, soak
from loadtests.soak_figures import Sample, Soak, minutes_of, slope
from loadtests.soak_plot import draw


def made(samples: list[Sample], failures: int = 0) -> Soak:
    due = np.arange(0, 120 * NS, NS, dtype=np.int64)
    status = np.where(np.arange(len(due)) < failures, 503, 200)
    record = Record(due, due, due + 5_000_000, status, np.zeros(len(due), np.int64), 120.0, 1.0)
    return Soak({}, 100.0, 70.0, 1.0, samples, minutes_of(record))


def growing(mib_a_minute: float, descriptors: int = 50) -> list[Sample]:
    early = [Sample(0.1 * at, 900.0, 20, 8, 5) for at in range(10)]  # the warm-up, which does not count
    return early + [Sample(1 + 0.1 * at, 100 + mib_a_minute * 0.1 * at, descriptors, 8, 5) for at in range(50)]


def passed(found: Soak) -> list[bool]:
    return [verdict.passed for verdict in found.judge()]


def test_a_flat_server_without_failures_passes() -> None:
    assert passed(made(growing(0.2))) == [True, True, True]


def test_what_grows_and_what_fails_is_noticed() -> None:
    leaking = growing(1.5)
    descriptors = [Sample(1 + 0.1 * at, 100, 50 + at, 8, 5) for at in range(50)]
    assert passed(made(leaking)) == [True, False, True]
    assert passed(made(growing(0.0), failures=1)) == [False, True, True]
    assert passed(made(descriptors)) == [True, True, False]


def test_minutes_are_told_apart() -> None:
    minutes = made(growing(0.0), failures=61).minutes
    assert [(minute.requests, minute.failures) for minute in minutes] == [(60, 60), (60, 1)]
    assert minutes[1].p50_ms == 5.0


def test_the_slope_of_a_line_is_its_own() -> None:
    assert slope([1, 2, 3], [5, 7, 9]) == pytest.approx(2)
    assert np.isnan(slope([1], [1]))


@pytest.mark.e2e
def test_a_short_soak_of_all_endpoints(
    stored_tiny: Bundle, stored_tales: Bundle, exported_books: Bundle, tmp_path: Path
) -> None:
    found = soak([stored_tiny, stored_tales, exported_books], 0.05, 0.5, tmp_path, every_s=0.3)
    assert sum(minute.failures for minute in found.minutes) == 0
    assert sum(minute.requests for minute in found.minutes) > 20
    assert len(found.samples) >= 4
    assert all(sample.rss_mib > 50 and sample.descriptors > 10 and sample.tasks > 0 for sample in found.samples)
    assert all(path in found.facts["mix"] for path in ("/embed", "/classify", "/recommend", "/v1/embeddings"))
    draw(found, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").stat().st_size > 10_000
    assert "resident memory" in "\n".join(markdown(found, "soak.png"))
    json.dumps(found.facts)
