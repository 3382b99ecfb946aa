import math

from loadtests.prometheus import BatchCounters, total

PAGE = """# HELP jubako_tokens_total Tokens computed, without padding
# TYPE jubako_tokens_total counter
jubako_tokens_total{model="text"} 100.0
jubako_tokens_total{model="odd } name"} 20.0
jubako_tokens_total_created{model="text"} 1.7e+09
jubako_padded_tokens_total{model="text"} 150.0
jubako_batch_rows_bucket{le="1.0",model="text"} 2.0
jubako_batch_rows_sum{model="text"} 12.0
jubako_batch_rows_count{model="text"} 3.0
plain 7
"""


def test_total_sums_over_labels_and_minds_the_whole_name() -> None:
    assert total(PAGE, "jubako_tokens_total") == 120.0
    assert total(PAGE, "plain") == 7.0
    assert total(PAGE, "absent") == 0.0


def test_counters_give_padding_ratio_and_mean_batch() -> None:
    found = BatchCounters.parse(PAGE, "jubako")
    assert found == BatchCounters(rows=12.0, batches=3.0, tokens=120.0, padded_tokens=150.0)
    assert found.padding_ratio == 1.25
    assert found.mean_batch == 4.0


def test_differences_leave_out_what_was_before() -> None:
    before = BatchCounters(rows=2.0, batches=1.0, tokens=20.0, padded_tokens=50.0)
    later = BatchCounters.parse(PAGE, "jubako").since(before)
    assert later.padding_ratio == 1.0
    assert later.mean_batch == 5.0


def test_nothing_computed_has_no_ratio() -> None:
    assert math.isnan(BatchCounters().padding_ratio)
    assert math.isnan(BatchCounters().mean_batch)
