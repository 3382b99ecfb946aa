"""Branches answer for each row on its own, whatever stands beside it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from features.ngrams import NgramConfig, NgramFeatures
from models.bag import BagVocabulary, NgramBag
from models.branches import LabelAttention, Layers, Votes

HIDDEN, WIDTH, LABELS, AUXILIARY = 12, 7, 5, 3
FEATURES = NgramFeatures(NgramConfig(bits=8))


def attention() -> LabelAttention:
    torch.manual_seed(2)
    branch = LabelAttention(HIDDEN, WIDTH, LABELS, AUXILIARY, dropout=0.3)
    torch.nn.init.normal_(branch.weight)
    torch.nn.init.normal_(branch.bias)
    return branch.eval()


def token_inputs(lengths: list[int], fill: float = 1e3) -> dict[str, Tensor]:
    """Return random tokens of rows of these lengths, with nonsense where there is padding."""
    generator = torch.Generator().manual_seed(sum(lengths))
    tokens = torch.full((len(lengths), max(lengths), HIDDEN), fill)
    for at, length in enumerate(lengths):
        tokens[at, :length] = torch.randn(length, HIDDEN, generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)).long()
    return {"tokens": tokens, "mask": mask}


def bag_inputs(texts: list[str]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in FEATURES.collate(FEATURES.encode(texts)).inputs.items()}


def vocabulary() -> BagVocabulary:
    return BagVocabulary.fit(FEATURES.encode(["red rice", "tea and rice"]), FEATURES.config.buckets, least=1)


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_attention_of_a_row_does_not_depend_on_its_batch(lengths: list[int]) -> None:
    branch, inputs = attention(), token_inputs(lengths)
    with torch.inference_mode():
        together = branch(inputs)
        for at, length in enumerate(lengths):
            alone = branch({name: array[at : at + 1, :length] for name, array in inputs.items()})
            torch.testing.assert_close(together[at : at + 1], alone, atol=1e-5, rtol=1e-5)


def test_attention_follows_its_equations() -> None:
    branch, inputs = attention(), token_inputs([6])
    x = branch.norm(inputs["tokens"][0]).detach().numpy()  # [tokens, hidden]
    values = torch.nn.functional.gelu(branch.value(torch.from_numpy(x))).detach().numpy()  # [tokens, width]
    scores = np.exp(branch.attend(torch.from_numpy(x)).detach().numpy())  # [tokens, labels]
    expected = []
    for label in range(LABELS):
        seen = (scores[:, label] / scores[:, label].sum()) @ values  # [width]
        both = np.concatenate([seen, values.max(axis=0)])  # [2 width]
        expected.append(both @ branch.weight[label].detach().numpy() + branch.bias[label].item())
    with torch.inference_mode():
        np.testing.assert_allclose(branch(inputs)[0], expected, atol=1e-5)


def test_attention_answers_for_auxiliary_labels_in_training_only() -> None:
    branch, inputs = attention(), token_inputs([4, 9])
    assert branch(inputs).shape == (2, LABELS)
    assert branch.train()(inputs).shape == (2, LABELS + AUXILIARY)


def test_attention_takes_half_precision_tokens() -> None:
    branch, inputs = attention(), token_inputs([4, 9], fill=0.0)
    with torch.inference_mode():
        half = branch({**inputs, "tokens": inputs["tokens"].half()})
        torch.testing.assert_close(half, branch(inputs), atol=1e-2, rtol=0)


def test_votes_begin_at_their_bias() -> None:
    votes = Votes(vocabulary(), LABELS, 0.3)
    torch.nn.init.constant_(votes.bias, -2.0)
    assert votes(bag_inputs(["rice", ""])).tolist() == [[-2.0] * LABELS] * 2


@pytest.mark.parametrize(("with_bag", "pooled"), [(True, 0), (False, 6), (True, 6)])
def test_layers_read_the_bag_or_the_pooled_vectors_or_both(with_bag: bool, pooled: int) -> None:
    torch.manual_seed(3)
    bag = NgramBag(vocabulary(), 4) if with_bag else None
    branch = Layers(bag, pooled, LABELS, hidden=8, dropout=0.2, ngram_dropout=0.2).eval()
    inputs = {**bag_inputs(["red rice", "", "tea and red rice"]), "pooled": torch.randn(3, 6)}
    with torch.inference_mode():
        together = branch(inputs)
        alone = [branch({name: array[at : at + 1] for name, array in inputs.items()}) for at in range(3)]
    assert together.shape == (3, LABELS)
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-6, rtol=1e-5)
    assert not torch.equal(together[0], together[2])


def test_layers_learn_from_a_batch_of_one_row() -> None:
    branch = Layers(None, 6, LABELS, hidden=8, dropout=0.2, ngram_dropout=0.0).train()
    assert branch.pooled_norm is not None
    seen = branch.pooled_norm.running_mean
    assert seen is not None
    branch({"pooled": torch.randn(16, 6) * 3 + 1})
    before = seen.clone()
    assert before.abs().min() > 0
    logits = branch({"pooled": torch.randn(1, 6)})
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert torch.equal(seen, before)
