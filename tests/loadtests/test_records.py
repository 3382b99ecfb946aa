import numpy as np
import pytest

from features.records import RECORDS, Kind, parse_record
from loadtests.records import SHAPES, make_records

KINDS: tuple[Kind, ...] = ("book", "paper")


@pytest.mark.parametrize("kind", KINDS)
def test_records_are_what_the_model_reads_and_have_their_lengths(kind: Kind) -> None:
    records, shape = make_records(kind, 200, seed=1), SHAPES[kind]
    for record in records:
        parse_record(kind, record)
    lengths = [len(record[RECORDS[kind].body].split()) for record in records]
    assert shape.body.low <= min(lengths) <= max(lengths) <= shape.body.high
    assert abs(float(np.median(lengths)) - shape.body.median) < 0.15 * shape.body.median
    assert all(shape.title.low <= len(record["title"].split()) <= shape.title.high for record in records)


def test_the_same_seed_gives_the_same_records() -> None:
    assert make_records("book", 20, seed=3) == make_records("book", 20, seed=3) != make_records("book", 20, seed=4)
