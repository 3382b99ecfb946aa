"""The whole way from features to scores: nobody's scores depend on who shares the batch."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from features.ngrams import NgramConfig
from features.pipeline import FeaturesConfig, Pipeline
from features.rows import FeatureRow, Features
from models.backbone import Backbone
from models.bag import BagVocabulary, NgramBag
from models.branches import LabelAttention, Layers, Votes
from models.checkpoint import read_checkpoint
from models.classifier import Scorer, TextClassifier
from models.tokenizer import write_tokenizer
from tests.encoders import write_encoder

LABELS, AUXILIARY, MAX_TOKENS = 4, 2, 24
NGRAMS = NgramConfig(bits=9)
TEXTS = ["a doctor bought a bicycle", "the old doctor", "rain in the harbour, and rice", ""]
WORDS = ["a", "doctor", "bought", "the", "bicycle", "rain", "harbour", "é", "数据"]
texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Features:
    folder = tmp_path_factory.mktemp("features")
    write_tokenizer(read_checkpoint(write_encoder(folder / "encoder")), folder, MAX_TOKENS)
    config = FeaturesConfig(record="book", fields=["title"], ngrams=NGRAMS, max_tokens=MAX_TOKENS)
    return Pipeline.make(config, folder / "tokenizer.json").features


@pytest.fixture(scope="module")
def classifier(features: Features, tmp_path_factory: pytest.TempPathFactory) -> TextClassifier:
    """All three branches over a bag and a tiny transformer, with random weights."""
    torch.manual_seed(4)
    folder = write_encoder(tmp_path_factory.mktemp("classifier") / "encoder")
    backbone = Backbone.load(read_checkpoint(folder), token_layer=1)
    vocabulary = BagVocabulary.fit(features.encode(TEXTS), NGRAMS.buckets, least=1)
    branches = {
        "votes": Votes(vocabulary, LABELS, 0.3),
        "layers": Layers(NgramBag(vocabulary, 6), backbone.pooled, LABELS + AUXILIARY, 8, 0.5, 0.5),
        "attention": LabelAttention(backbone.hidden, 8, LABELS, AUXILIARY, 0.3),
    }
    torch.nn.init.normal_(branches["votes"].bag.table.weight)  # type: ignore[union-attr, arg-type]
    return TextClassifier(LABELS, branches, backbone).eval()


def score(scorer: Scorer, features: Features, rows: Sequence[FeatureRow]) -> NDArray[np.float32]:
    feed = features.collate(rows)
    with torch.inference_mode():
        return np.asarray(scorer(*(torch.from_numpy(feed.inputs[name]) for name in scorer.names)).numpy())


def scorer_of(classifier: TextClassifier, features: Features) -> Scorer:
    return Scorer(classifier, tuple(features.collate(features.encode(["a"])).inputs)).eval()


@settings(max_examples=30, deadline=None)
@given(texts=texts)
def test_scores_do_not_depend_on_the_batch(classifier: TextClassifier, features: Features, texts: list[str]) -> None:
    scorer, rows = scorer_of(classifier, features), features.encode(texts)
    together = score(scorer, features, rows)
    alone = np.concatenate([score(scorer, features, [row]) for row in rows])
    assert ((together > 0) & (together < 1)).all()
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_scores_are_the_sigmoid_of_the_mean_of_the_branches(classifier: TextClassifier, features: Features) -> None:
    rows = features.encode(TEXTS)
    inputs = {name: torch.from_numpy(array) for name, array in features.collate(rows).inputs.items()}
    with torch.inference_mode():
        each = [logits[:, :LABELS].numpy() for logits in classifier(inputs)]
    assert len(each) == 3
    expected = 1 / (1 + np.exp(-np.mean(each, axis=0)))
    np.testing.assert_allclose(score(scorer_of(classifier, features), features, rows), expected, atol=1e-6)


def test_readings_that_are_given_take_the_transformer_s_place(classifier: TextClassifier, features: Features) -> None:
    inputs = {name: torch.from_numpy(array) for name, array in features.collate(features.encode(TEXTS)).inputs.items()}
    assert classifier.backbone is not None
    with torch.inference_mode():
        reading = classifier.backbone(inputs["input_ids"], inputs["attention_mask"])
        bare = TextClassifier(LABELS, dict(classifier.branches.items())).eval()
        given_readings = bare.logits(
            {**inputs, "tokens": reading.tokens, "pooled": reading.pooled, "mask": inputs["attention_mask"]}
        )
        torch.testing.assert_close(given_readings, classifier.logits(inputs))
