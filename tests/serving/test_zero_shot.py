from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import numpy as np
import pytest

from bundle.bundle import Bundle
from features.records import RecordError
from serving import zero_shot
from serving.errors import JubakoError
from serving.loading import load_model
from serving.settings import Settings
from serving.text_model import TextModel
from serving.zero_shot import TEMPERATURE, TEMPLATE, ZeroShot, text_of_any
from tests.tiny import embed_directly

LABELS = ["rice", "server", "trays"]


@pytest.fixture
async def encoder(stored_tiny: Bundle) -> AsyncIterator[TextModel]:
    model = load_model("tiny", Settings(models=["tiny"]))
    assert isinstance(model, TextModel)
    yield model
    model.close()


def soon() -> float:
    return monotonic() + 30


async def test_scores_are_the_softmax_of_cosines_to_sentences_of_labels(encoder: TextModel, tiny: Bundle) -> None:
    texts: list[Any] = ["the box holds rice", "a server answers", "three trays"]
    got = await ZeroShot(encoder).classify(texts, LABELS, deadline=soon())
    vectors = embed_directly(tiny.root, texts)
    of_labels = embed_directly(tiny.root, [TEMPLATE.format(label=label) for label in LABELS])
    raised = np.exp(vectors.astype(np.float64) @ of_labels.T / TEMPERATURE)
    np.testing.assert_allclose(got.scores, raised / raised.sum(axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_array_equal(got.assigned.sum(axis=1), [1, 1, 1])
    np.testing.assert_array_equal(got.assigned.argmax(axis=1), got.scores.argmax(axis=1))
    assert [name.label for name in got.labels] == [name.name for name in got.labels] == LABELS


async def test_a_threshold_assigns_every_label_that_reaches_it(encoder: TextModel) -> None:
    every = await ZeroShot(encoder).classify(["rice"], LABELS, deadline=soon(), threshold=0.0)
    assert every.assigned.all()
    none = await ZeroShot(encoder).classify(["rice"], LABELS, deadline=soon(), threshold=1.0)
    assert not none.assigned.any()


async def test_labels_are_embedded_once(encoder: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded: list[str] = []
    run = encoder.run

    async def counting(inputs: Any, *rest: Any, **options: Any) -> Any:
        embedded.extend(inputs)
        return await run(inputs, *rest, **options)

    monkeypatch.setattr(encoder, "run", counting)
    scorer = ZeroShot(encoder)
    first = await scorer.classify(["x"], LABELS, deadline=soon())
    again = await scorer.classify(["x"], ["server", "new", "rice"], deadline=soon())
    sentences = [TEMPLATE.format(label=label) for label in [*LABELS, "new"]]
    assert sorted(text for text in embedded if text != "x") == sorted(sentences)
    assert (first.scores[0, 0] < first.scores[0, 1]) == (again.scores[0, 2] < again.scores[0, 0])


async def test_the_cache_of_labels_is_bounded_and_keeps_the_latest(
    encoder: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zero_shot, "CACHED_LABELS", 3)
    scorer = ZeroShot(encoder)
    await scorer.classify(["x"], ["a", "b", "c"], deadline=soon())
    await scorer.classify(["x"], ["a", "d"], deadline=soon())
    assert list(scorer._vectors) == ["c", "a", "d"]
    more = await scorer.classify(["x"], list("stuvw"), deadline=soon())
    assert more.scores.shape == (1, 5)
    assert list(scorer._vectors) == ["u", "v", "w"]


async def test_an_input_at_fault_is_told_in_its_place(encoder: TextModel) -> None:
    got = await ZeroShot(encoder).classify(["rice", " ", {"name": "x"}], LABELS, deadline=soon())
    assert [error.param for error in got.result.errors.values()] == ["inputs.1", "inputs.2.name"]
    assert got.scores.shape == (1, 3)
    with_nothing = await ZeroShot(encoder).classify([5], LABELS, deadline=soon())
    assert isinstance(with_nothing.result.outputs[0], JubakoError)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" rice \n", "rice"),
        ({"title": "Orbit"}, "Orbit"),
        ({"title": "Orbit", "author": "A. Author"}, "Orbit"),
        ({"title": "Orbit", "description": "A &amp; B", "authors": ["A", "B"]}, "Orbit\nA & B"),
        ({"title": "Orbit", "abstract": "MoS$_2$"}, "Orbit\nMoS2"),
    ],
)
def test_a_record_s_fields_tell_its_kind(value: object, text: str) -> None:
    assert text_of_any(value) == text


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ("  ", None),
        (5, None),
        ({}, "description"),
        ({"abstract": "a", "description": "b"}, "description"),
        ({"title": "a", "isbn": "1"}, "isbn"),
        ({"title": "<p></p>"}, None),
    ],
)
def test_what_is_no_record_is_refused(value: object, param: str | None) -> None:
    with pytest.raises(RecordError) as caught:
        text_of_any(value)
    assert caught.value.param == param
