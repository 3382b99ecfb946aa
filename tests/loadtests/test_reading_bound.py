import os

import pytest

from bundle.bundle import Bundle
from features.pipeline import Pipeline
from loadtests.reading_bound import SIZES, ReadingBound, ReadingSetting
from loadtests.records import make_records
from tests.tiny_classifier import GRAPH_FILE


@pytest.fixture
def reading(tales: Bundle) -> ReadingBound:
    pipeline, records = Pipeline.open(tales.root), make_records("book", 40, seed=1)
    rows = pipeline.features.encode([pipeline.text_of(record) for record in records])
    return ReadingBound(tales.root / GRAPH_FILE, pipeline, records, rows)


def test_all_records_are_carried_through(reading: ReadingBound) -> None:
    found = reading.measure(ReadingSetting(2, 16))
    assert found.texts_per_s > 0
    assert found.tokens_per_s > 20 * found.texts_per_s  # a record has dozens of n-grams
    assert found.mean_batch == pytest.approx(40 / 3)
    assert reading.measure(ReadingSetting(1, 1)).padding_ratio == 1.0


def test_records_go_sorted_so_that_padding_is_little(reading: ReadingBound) -> None:
    assert reading.measure(ReadingSetting(1, 4)).padding_ratio < 1.2


def test_tuning_tries_one_thread_and_one_a_core(reading: ReadingBound) -> None:
    tried = reading.tune()
    lanes = {setting.lanes for setting, _ in tried}
    assert lanes == {1, len(os.sched_getaffinity(0))}
    assert len(tried) == len(lanes) * len(SIZES)
    assert tried[0][1].tokens_per_s == max(found.tokens_per_s for _, found in tried)
