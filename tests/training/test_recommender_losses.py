"""The losses of the recommenders, against what their equations say term by term."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.losses.category_alignment import CategoryAlignmentLoss
from training.losses.full_softmax import FullSoftmaxLoss
from training.losses.listnet import ListNetLoss
from training.losses.mimic import AdaptiveMimicLoss
from training.losses.noise import NoiseSimilarityLoss, corrupt
from training.losses.sampled_softmax import SampledSoftmaxLoss


def assert_near(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 1000))
@settings(max_examples=25)
def test_the_softmax_over_all_items_is_the_sampled_one_and_so_are_its_gradients(seed: int) -> None:
    torch.manual_seed(seed)
    biases, targets = torch.randn(9), torch.tensor([[2, 7], [4, -1], [8, 5]])
    hidden = torch.tensor([[0, 1, 0], [0, 3, 6], [0, 0, 0]])
    weights = torch.rand(3, 1) + 0.1
    outcomes = []
    for full in (True, False):
        users, items = (torch.randn(rows, 4, generator=torch.Generator().manual_seed(rows)) for rows in (3, 9))
        users.requires_grad_()
        items.requires_grad_()
        own = biases.clone().requires_grad_()
        if full:
            loss = FullSoftmaxLoss()(users, items, own, targets, hidden, weights)
        else:
            gone = torch.zeros(3, 9, dtype=torch.bool).scatter(1, hidden, True)
            loss = SampledSoftmaxLoss()(users @ items.T + own, None, targets, gone, weights)
        (2 * loss).backward()
        outcomes.append([loss, users.grad, items.grad, own.grad])
    for found, wanted in zip(*outcomes, strict=True):
        assert found is not None
        assert wanted is not None
        assert_near(found, wanted)


def test_hidden_candidates_are_left_out_but_a_positive_never_is() -> None:
    scores, targets = torch.randn(3, 9), torch.tensor([[2], [4], [8]])
    hidden = torch.zeros(3, 9, dtype=torch.bool)
    hidden[:, :2] = True
    wanted = torch.nn.functional.cross_entropy(scores[:, 2:], targets[:, 0] - 2)
    assert_near(SampledSoftmaxLoss()(scores, None, targets, hidden), wanted)
    hidden[0, 2] = True
    assert_near(SampledSoftmaxLoss()(scores, None, targets, hidden), wanted)


def test_weights_say_what_each_positive_counts() -> None:
    scores = torch.randn(2, 5)
    found = SampledSoftmaxLoss()(scores, None, torch.tensor([[1], [2]]), None, torch.tensor([[3.0], [1.0]]))
    single = [SampledSoftmaxLoss()(scores[at : at + 1], None, torch.tensor([[at + 1]])) for at in range(2)]
    assert_near(found, (3 * single[0] + single[1]) / 4)


def test_softmax_over_all_items_is_cross_entropy() -> None:
    scores, targets = torch.randn(4, 9), torch.randint(9, (4, 1))
    wanted = torch.nn.functional.cross_entropy(scores / 0.2, targets[:, 0])
    assert_near(SampledSoftmaxLoss(0.2)(scores, None, targets), wanted)


@given(seed=st.integers(0, 1000), positives=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_other_positives_of_a_row_are_no_negatives_of_it(seed: int, positives: int) -> None:
    torch.manual_seed(seed)
    scores, log_q = torch.randn(3, 8), torch.randn(8)
    targets = torch.stack([torch.randperm(8)[:positives] for _ in range(3)])
    known = torch.zeros(3, 8, dtype=torch.bool).scatter(1, targets, True)
    found = SampledSoftmaxLoss(0.5)(scores, log_q, targets, known)
    terms = []
    for row, own in enumerate(targets.tolist()):
        logits = scores[row] / 0.5 - log_q
        for place in own:
            others = [float(logits[at]) for at in range(8) if at == place or at not in own]
            terms.append(math.log(sum(math.exp(x) for x in others)) - float(logits[place]))
    assert_near(found, torch.tensor(sum(terms) / len(terms)))


def test_an_item_that_is_drawn_often_is_not_pushed_away_more() -> None:
    """With candidates drawn by Q, the corrected sum is an unbiased estimate of the sum over all items."""
    torch.manual_seed(0)
    scores, q = torch.randn(50), torch.rand(50) + 0.05
    q = q / q.sum()
    drawn = torch.multinomial(q, 20000, replacement=True)
    log_q = (q[drawn] * len(drawn)).log()
    torch.testing.assert_close((scores[drawn] - log_q).exp().sum(), scores.exp().sum(), rtol=0.03, atol=0)


def test_rows_without_positives_count_nothing() -> None:
    scores = torch.randn(2, 5)
    both = SampledSoftmaxLoss()(scores, None, torch.tensor([[1, 2], [-1, -1]]))
    torch.testing.assert_close(both, SampledSoftmaxLoss()(scores[:1], None, torch.tensor([[1, 2]])))


def test_mimic_is_the_mean_squared_distance_of_pairs() -> None:
    augmented, partners = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 0.0], [3.0, 2.0]])
    assert AdaptiveMimicLoss()(augmented, partners) == 5


def test_mimic_moves_only_the_augmented_vectors() -> None:
    augmented, partners = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    AdaptiveMimicLoss()(augmented, partners).backward()
    assert partners.grad is None
    assert augmented.grad is not None
    assert augmented.grad.abs().sum() > 0


def test_alignment_is_the_distance_of_each_category_s_covariance_to_the_largest_one_s() -> None:
    torch.manual_seed(0)
    items, categories = torch.randn(12, 3), torch.tensor([0] * 5 + [1] * 4 + [2] * 2 + [-1])
    spread = [torch.cov(items[categories == at].T) for at in range(3)]
    wanted = torch.stack([(spread[0] - spread[at]).square().sum() for at in (1, 2)]).mean()
    assert_near(CategoryAlignmentLoss()(items, categories), wanted)


def test_alignment_of_one_category_or_of_single_items_is_nothing() -> None:
    items = torch.randn(3, 2, requires_grad=True)
    for categories in ([0, 0, 0], [0, 1, 2], [-1, -1, -1]):
        loss = CategoryAlignmentLoss()(items, torch.tensor(categories))
        loss.backward()
        assert loss == 0


def test_listnet_is_the_cross_entropy_of_two_softmaxes() -> None:
    scores, relevance = torch.tensor([[0.3, -0.2, 0.9]]), torch.tensor([[2.0, 0.0, 1.0]])
    wanted = -(relevance.softmax(1) * (scores * 10).log_softmax(1)).sum()
    torch.testing.assert_close(ListNetLoss()(scores, relevance, torch.ones(1, 3, dtype=torch.bool)), wanted)


@given(seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_candidates_that_are_not_there_change_nothing(seed: int) -> None:
    torch.manual_seed(seed)
    scores, relevance = torch.rand(2, 6), torch.rand(2, 6)
    mask = torch.tensor([[True] * 4 + [False] * 2] * 2)
    found = ListNetLoss()(scores, relevance, mask)
    assert_near(found, ListNetLoss()(scores[:, :4], relevance[:, :4], mask[:, :4]))
    with_empty = ListNetLoss()(scores, relevance, torch.stack([mask[0], torch.zeros(6, dtype=torch.bool)]))
    assert_near(with_empty, ListNetLoss()(scores[:1], relevance[:1], mask[:1]))


@settings(deadline=None)
@given(
    bags=st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=5),
    share=st.floats(0, 1), seed=st.integers(0, 100),
)  # fmt: skip
def test_noise_never_fails_and_draws_only_ids_that_the_field_has(
    bags: list[list[int]], share: float, seed: int
) -> None:
    ids = torch.tensor(bags)
    noisy = corrupt(ids, share, torch.Generator().manual_seed(seed))
    assert torch.equal(noisy == 0, ids == 0)
    assert set(noisy[noisy > 0].tolist()) <= set(ids[ids > 0].tolist())


def test_noise_replaces_about_its_share() -> None:
    ids = torch.randint(1, 10_000, (100, 100))
    changed = (corrupt(ids, 0.25, torch.Generator().manual_seed(0)) != ids).float().mean()
    assert 0.23 < float(changed) < 0.27


def test_noise_similarity_is_minus_the_mean_cosine() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert NoiseSimilarityLoss()(vectors, torch.tensor([[3.0, 0.0], [1.0, 0.0]])) == -0.5
