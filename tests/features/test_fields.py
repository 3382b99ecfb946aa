import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from features.dense import DenseConfig
from features.fields import FieldConfig, FieldFeatures, FieldsConfig
from features.people import User
from features.record import Record, RecordError, read_record
from features.records import Book
from features.vocabulary import Vocabulary
from features.works import DENSE, SPARSE, Work

EMMA = Book(id="7", title="Emma Woodhouse", author="Jane Austen, A. Friend", year=1815, tags=("Classics", "classics"))
SPANS = ["# woodhou", "#woodhous", "#oodhouse", "#odhouse "]


def field(source: str | list[str] = "title", **more: Any) -> FieldConfig:
    return FieldConfig.model_validate({"name": "field", "source": source, **more})


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        (field("tags"), ["classics", "classics"]),
        (field("tags", tokens="ids"), ["Classics", "classics"]),
        (field("title"), ["emma_woodhouse"]),
        (field(["title", "year", "publisher"]), ["emma_woodhouse", "1815"]),
        (field("author", split=","), ["jane_austen", "a._friend"]),
        (field("title", tokens="words"), ["emma", "woodhouse", "emma woodhouse"]),
        (field("title", tokens="words", ngrams=[1], characters=[8]), ["emma", "woodhouse", *SPANS]),
        (field("year", tokens="decade"), ["1810"]),
        (field("year", tokens="bins", edges=[1800, 1815, 1900]), ["2"]),
        (field("title", tokens="bins", edges=[1800]), []),
        (field("title", tokens="decade"), []),
        (field("description"), []),
    ],
)
def test_tokens_are_made_as_configured(config: FieldConfig, tokens: list[str]) -> None:
    assert config.tokens_of(EMMA) == tokens


def test_a_pair_of_words_never_reaches_into_the_next_value() -> None:
    work = read_record(Work, {"tags": {"relationship": ["Jon Snow/Sansa Stark", "Arya Stark"]}})
    assert field("tags.relationship", tokens="words", ngrams=[2]).tokens_of(work) == [
        *("jon snow", "snow sansa", "sansa stark"),
        "arya stark",
    ]


def test_years_before_our_era_have_decades_too() -> None:
    assert field("year", tokens="decade").tokens_of(Book(year=-725)) == ["-730"]


def bag(config: FieldConfig, record: Record) -> list[int]:
    [[rows], _] = config.rows_of([record])
    return list(map(int, rows))


LETTERS = Vocabulary(known=tuple("abcdef"))


def test_a_history_keeps_its_end_and_everything_else_its_beginning() -> None:
    kept = {"tokens": "ids", "max_values": 2, "vocabulary": LETTERS}
    user = User(history=("a", "b", "c", "d"))
    assert bag(field("history", **kept), user) == LETTERS.rows_of("cd").tolist()
    assert bag(field("tags", **kept), Book(tags=user.history)) == LETTERS.rows_of("ab").tolist()
    assert field("tags", **kept).rows_of([Book(tags=user.history), Book(tags=("a", "b"))])[1] == [True, False]


def test_repetitions_stay_unless_values_are_to_be_distinct() -> None:
    told = {"tokens": "ids", "vocabulary": LETTERS}
    user = User(history=("a", "b", "a", "c", "a"))
    assert bag(field("history", **told), user) == LETTERS.rows_of("abaca").tolist()
    assert bag(field("history", distinct=True, **told), user) == LETTERS.rows_of("bca").tolist()
    assert bag(field("tags", distinct=True, **told), Book(tags=user.history)) == LETTERS.rows_of("abc").tolist()


def test_a_field_is_fitted_on_its_own_tokens() -> None:
    books = [Book(tags=("SF", "War")), Book(tags=("sf",)), Book()]
    fitted = field("tags").fitted(books, oov=4, min_count=2)
    assert fitted.vocabulary == Vocabulary(known=("sf",), oov=4)
    assert fitted.model_copy(update={"vocabulary": Vocabulary()}) == field("tags")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "dense"}, "name the field otherwise"),
        ({"name": "a b"}, "name"),
        ({"source": []}, "source"),
        ({"tokens": "bins"}, "bins need them"),
        ({"edges": [1]}, "edges belong to bins"),
        ({"tokens": "bins", "edges": [2, 1]}, "edges must rise"),
        ({"tokens": "words", "ngrams": []}, "words need"),
        ({"tokens": "words", "ngrams": [0]}, "ngrams"),
        ({"max_values": 0}, "max_values"),
    ],
)
def test_fields_that_make_no_sense_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        field(**{"source": "title", **wrong})


def works_config(works: list[Work]) -> FieldsConfig:
    fields = [
        FieldConfig(name=source.split(".")[-1], source=source, max_values=9).fitted(works, oov=3) for source in SPARSE
    ]
    title = FieldConfig(name="title", source="title", tokens="words", characters=(3,), vocabulary=Vocabulary(oov=512))
    dense = DenseConfig.fit(DENSE, [work.numbers() for work in works])
    return FieldsConfig(record="work", fields=(*fields, title), dense=dense)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"fields": []}, "at least 1"),
        ({"fields": [field("titel")]}, "a book has no titel; its fields: title, description"),
        ({"fields": [field("tags.fandom")]}, "a book has no tags.fandom"),
        ({"fields": [field("title"), field("author")]}, "two fields have one name"),
        ({"dense": DenseConfig(names=("hits",), centre=(0.0,), scale=(1.0,))}, "a book has no number hits"),
    ],
)
def test_an_encoder_reads_nothing_that_records_cannot_have(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FieldsConfig.model_validate({"record": "book", "fields": [field("title")], **wrong})


def test_any_attribute_of_a_user_may_be_read() -> None:
    config = FieldsConfig(record="user", fields=(field("attributes.shoe_size", tokens="bins", edges=[40]),))
    [row] = FieldFeatures(config).encode([User(attributes={"shoe_size": 41})])
    assert len(row.arrays["field"]) == 1


def test_a_row_has_the_ids_of_each_field_and_scaled_numbers() -> None:
    work = read_record(Work, {"title": "Winter", "tags": {"fandom": ["ASoIaF", "HP"]}, "statistics": {"hits": 99}})
    config = works_config([work, Work()])
    [row] = FieldFeatures(config).encode([work])
    assert row.arrays["fandom"].tolist() == [4, 5]
    assert row.arrays["authors"].shape == (0,)
    assert row.arrays["dense"].dtype == np.float32
    assert row.arrays["dense"].shape == (17,)
    assert len(row) == 2 + 1 + len("winter")
    assert {name: array.dtype for name, array in row.arrays.items() if name != "dense"} == {
        each.name: np.dtype(np.int64) for each in config.fields
    }


def test_a_subset_of_the_numbers_is_read_by_name() -> None:
    dense = DenseConfig(names=("words", "hits"), centre=(0.0, 0.0), scale=(1.0, 1.0))
    features = FieldFeatures(FieldsConfig(record="work", fields=(field(),), dense=dense))
    [row] = features.encode([read_record(Work, {"statistics": {"hits": 3, "words": 2}})])
    assert row.arrays["dense"].tolist() == [2.0, 3.0]


def test_an_empty_record_is_one_token_and_one_column_of_padding() -> None:
    features = FieldFeatures(works_config([Work()]))
    rows = features.encode([Work(), Work()])
    feed = features.collate(rows)
    assert [len(row) for row in rows] == [1, 1]
    assert (feed.rows, feed.tokens, feed.padded_tokens) == (2, 2, 16)
    for name, array in feed.inputs.items():
        assert array.shape == ((2, 17) if name == "dense" else (2, 1))
        assert name == "dense" or not array.any()
    assert {array.shape for array in features.collate(rows, 8).inputs.values()} == {(2, 8), (2, 17)}


def test_no_records_are_no_rows() -> None:
    assert FieldFeatures(works_config([Work()])).encode([]) == []


def test_what_a_caller_sends_is_read_and_known_again_by_its_json() -> None:
    features = FieldFeatures(works_config([Work()]))
    sent = {"title": "Winter", "author": "me", "statistics": {"words": "1,200", "published": "2024-05-09"}}
    text = features.text_of(sent)
    assert json.loads(text)["statistics"] == {"words": 1200, "published": "2024-05-09"}
    from_text, from_record = features.encode([text, features.read(sent)])
    assert all(np.array_equal(from_text.arrays[name], array) for name, array in from_record.arrays.items())


def test_a_record_with_nothing_that_the_model_reads_is_refused_but_for_an_unknown_user() -> None:
    books = FieldFeatures(FieldsConfig(record="book", fields=(field(["title", "author"]),)))
    with pytest.raises(RecordError, match="nothing that the model reads: title, author"):
        books.read({"publisher": "Murray", "title": " "})
    assert books.read({"author": "Jane Austen"}) == Book(author="Jane Austen")
    users = FieldFeatures(FieldsConfig(record="user", fields=(field("history", tokens="ids"),)))
    assert users.read({}) == User()
    with pytest.raises(RecordError, match="a user is an object"):
        users.read("ann")


TEXTS = st.text(max_size=12)
WORKS = st.builds(
    lambda title, authors, tags: read_record(Work, {"title": title, "authors": authors, "tags": tags}),
    TEXTS,
    st.lists(TEXTS, max_size=3),
    st.dictionaries(st.sampled_from(["fandom", "freeform", "relationship"]), st.lists(TEXTS, max_size=12)),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(WORKS, min_size=1, max_size=4), st.lists(WORKS, min_size=1, max_size=4), st.integers(1, 8))
def test_any_works_have_rows_in_range_alike_alone_and_in_a_batch(
    training: list[Work], works: list[Work], multiple: int
) -> None:
    config = works_config(training)
    features = FieldFeatures(config)
    rows = features.encode(works)
    feed = features.collate(rows, multiple)
    assert feed.tokens <= feed.padded_tokens
    for place, (work, row) in enumerate(zip(works, rows, strict=True)):
        [alone] = features.encode([work])
        assert (len(row), row.truncated) == (len(alone), alone.truncated)
        assert 1 <= len(row) <= features.max_tokens
        np.testing.assert_array_equal(feed.inputs["dense"][place], alone.arrays["dense"])
        for each in config.fields:
            ids, padded = alone.arrays[each.name], feed.inputs[each.name][place]
            np.testing.assert_array_equal(row.arrays[each.name], ids)
            assert len(padded) % multiple == 0
            np.testing.assert_array_equal(padded[: len(ids)], ids)
            assert not padded[len(ids) :].any()
            assert all(1 <= number < each.vocabulary.rows for number in ids)
    opened = FieldFeatures(FieldsConfig.model_validate_json(config.model_dump_json()))
    for row, again in zip(rows, opened.encode(works), strict=True):
        assert all(np.array_equal(array, again.arrays[name]) for name, array in row.arrays.items())
