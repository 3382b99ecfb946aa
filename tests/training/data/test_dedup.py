import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.training.data.frames import papers
from training.data.dedup import deduplicate

Row = tuple[str, str, str, list[str]]
LONG = "we cook rice in a small box and measure how it tastes to people who have never had any " * 4


def dedup(frame: pl.DataFrame) -> dict[str, tuple[str, list[str]]]:
    """Return id -> group and labels."""
    rows = deduplicate(frame, "abstract").frame.select("id", "group", "labels")
    return {key: (group, labels) for key, group, labels in rows.iter_rows()}


def test_the_same_text_becomes_one_row_with_the_labels_of_both() -> None:
    frame = papers(
        [("2", "On Rice!", LONG.upper(), ["b"]), ("1", "On rice", LONG, ["a", "c"]), ("3", "Tea", "hot", [])]
    )
    assert dedup(frame) == {"1": ("1", ["a", "b", "c"]), "3": ("3", [])}


def test_a_merged_row_has_the_earliest_time() -> None:
    frame = papers([("1", "On rice", LONG, []), ("2", "On rice", LONG, [])], days=[9, 2])
    merged = deduplicate(frame, "abstract")
    assert merged.merged == 1
    assert merged.frame["time"].item() == frame["time"].min()


def test_the_same_title_and_nearly_the_same_words_are_one_row() -> None:
    words = [f"word{at}" for at in range(50)]
    near, far = ["other", *words[1:]], [f"new{at}" for at in range(25)] + words[25:]
    rows: list[Row] = [
        ("1", "T", " ".join(words), ["a"]),
        ("2", "T", " ".join(near), ["b"]),
        ("3", "T", " ".join(far), ["c"]),
    ]
    assert dedup(papers(rows)) == {"1": ("1", ["a", "b"]), "3": ("1", ["c"])}


def test_the_same_beginning_under_another_title_shares_the_group() -> None:
    frame = papers([("1", "Volume one", LONG + "first", ["a"]), ("2", "Volume two", LONG + "second", ["b"])])
    assert dedup(frame) == {"1": ("1", ["a"]), "2": ("1", ["b"])}


def test_relatives_of_relatives_share_the_group() -> None:
    rows: list[Row] = [
        ("3", "A", LONG + "x", []),
        ("2", "B", LONG + "y", []),
        ("1", "B", "something else", []),
        ("4", "C", "no", []),
    ]
    result = deduplicate(papers(rows), "abstract")
    assert dict(result.frame.select("id", "group").iter_rows()) == {"1": "1", "2": "1", "3": "1", "4": "4"}
    assert (result.merged, result.related) == (0, 3)


def test_rows_without_title_or_body_are_not_alike_for_it() -> None:
    rows: list[Row] = [
        ("1", "", "one", []),
        ("2", "", "two", []),
        ("3", "x", "", []),
        ("4", "y", "", []),
        ("5", "?!", "...", []),
    ]
    result = deduplicate(papers(rows), "abstract")
    assert (result.merged, result.related) == (0, 0)


TEXTS = st.sampled_from(
    ["", "rice", "Rice.", "tea", LONG, LONG + "end", LONG.title(), "a b c d e f g h i j", "j i h g f e d c b a"]
)


@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["a", "b"])), min_size=1, max_size=12), st.integers(0, 99))
def test_merging_loses_no_label_and_does_not_depend_on_order(rows: list[tuple[str, str, str]], seed: int) -> None:
    frame = papers([(f"{at:02d}", title, body, [label]) for at, (title, body, label) in enumerate(rows)])
    result = deduplicate(frame, "abstract")
    shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
    assert deduplicate(shuffled, "abstract").frame.equals(result.frame)
    assert {label for labels in result.frame["labels"] for label in labels} == {label for *_, label in rows}
    assert result.merged == frame.height - result.frame.height
    assert deduplicate(result.frame.drop("group"), "abstract").merged == 0
    firsts = result.frame.group_by("group").agg(pl.col("id").min())
    assert set(firsts["group"]) <= set(frame["id"])
