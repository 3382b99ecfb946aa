import asyncio
import threading
from collections.abc import Iterator, Sequence
from time import monotonic

import numpy as np
import pytest

from bundle.bundle import Bundle
from features.rows import FeatureRow
from serving.classifier_model import ClassifierModel
from serving.loading import load_model
from serving.model import LIGHT_CHARACTERS
from serving.settings import Settings
from tests.tiny_classifier import TEXTS, classify_directly


@pytest.fixture
def model(stored_tales: Bundle) -> Iterator[ClassifierModel]:
    model = load_model("tales", Settings(models=["tales"]))
    assert isinstance(model, ClassifierModel)
    yield model
    model.close()


async def test_requests_that_are_decided_together_keep_their_own_thresholds(
    model: ClassifierModel, tales: Bundle
) -> None:
    thresholds = [None, 0.0, 0.2, 1.0]
    deadline = monotonic() + 10
    found = await asyncio.gather(*(model.classify(TEXTS, deadline=deadline, threshold=own) for own in thresholds))
    for classified, threshold in zip(found, thresholds, strict=True):
        _, scores, assigned = classify_directly(tales.root, TEXTS, threshold)
        np.testing.assert_allclose(classified.scores, scores, atol=1e-6)
        np.testing.assert_array_equal(classified.assigned, assigned)


async def test_a_bag_s_texts_are_hashed_on_the_loop_unless_they_are_many(
    model: ClassifierModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, threads = model._features.encode, []

    def watched(texts: Sequence[str]) -> list[FeatureRow]:
        threads.append(threading.current_thread())
        return encode(texts)

    monkeypatch.setattr(model._features, "encode", watched)
    half = "dragon " * (LIGHT_CHARACTERS // 14)
    for inputs in ([half], [half, half, half], [{"title": "Orbit", "author": ["One", "Two"]}]):
        await model.classify(inputs, deadline=monotonic() + 10)
    here = threading.current_thread()
    assert [thread is here for thread in threads] == [True, False, False]
