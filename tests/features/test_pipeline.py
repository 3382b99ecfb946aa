from pathlib import Path

import pytest
from pydantic import ValidationError

from bundle.bundle import Bundle
from features.ngrams import IDS as NGRAM_IDS
from features.ngrams import WEIGHTS, NgramConfig
from features.pipeline import TOKENIZER_FILE, FeaturesConfig, Pipeline
from features.records import RecordError
from features.text import IDS, MASK

BOOK = {"title": "Emma", "description": "A <i>comedy</i> of manners &amp; matches"}


def bag_config(**more: object) -> FeaturesConfig:
    return FeaturesConfig.model_validate({"record": "book", "fields": ["title", "description"], "ngrams": {}, **more})


def test_what_is_written_opens_as_what_it_was(tmp_path: Path) -> None:
    written = Pipeline.make(bag_config(ngrams={"bits": 12, "characters": [3]}))
    written.write(tmp_path)
    opened = Pipeline.open(tmp_path)
    assert opened.config == written.config
    assert opened.light


def test_a_record_and_its_text_are_the_same_to_the_model() -> None:
    pipeline = Pipeline.make(bag_config())
    assert pipeline.text_of(BOOK) == "Emma\nA comedy of manners & matches"
    assert pipeline.text_of("A comedy") == "A comedy"


def test_what_is_no_record_is_refused_with_its_field() -> None:
    with pytest.raises(RecordError) as refused:
        Pipeline.make(bag_config()).text_of({"titel": "Emma"})
    assert refused.value.param == "titel"


def test_bag_and_transformer_read_the_same_text_side_by_side(tiny: Bundle) -> None:
    pipeline = Pipeline.make(bag_config(max_tokens=16), tiny.root / TOKENIZER_FILE)
    rows = pipeline.features.encode(["rice and trays", "rice " * 50])
    feed = pipeline.features.collate(rows)
    assert set(feed.inputs) == {IDS, MASK, NGRAM_IDS, WEIGHTS}
    assert [row.tokens for row in rows] == [int(mask.sum()) for mask in feed.inputs[MASK]]
    assert feed.padded_tokens == feed.inputs[IDS].size
    assert [row.truncated for row in rows] == [False, True]
    assert not pipeline.light


@pytest.mark.parametrize(
    "wrong",
    [{"ngrams": None}, {"fields": ["title", "abstract"]}, {"fields": []}, {"record": "film"}, {"colour": "red"}],
)
def test_a_configuration_that_leads_nowhere_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        bag_config(**wrong)


def test_buckets_are_a_power_of_two() -> None:
    assert NgramConfig(bits=10).buckets == 1024
