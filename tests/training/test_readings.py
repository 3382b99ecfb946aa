"""What a frozen transformer gave for texts, kept on disk: the same as computed anew, or not there at all."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from features.rows import FeatureRow
from features.text import IDS, MASK, TextTokenizer
from models.backbone import Backbone
from models.checkpoint import read_checkpoint
from models.tokenizer import write_tokenizer
from tests.encoders import write_encoder
from training import readings
from training.readings import Readings, key_of, read_all

TEXTS = [f"a doctor bought {'the old bicycle ' * (at % 7)}in the rain" for at in range(40)] + [""]
HALF_PRECISION = 2.0**-11
"""Largest relative error of rounding to float16."""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("readings") / "encoder")


@pytest.fixture(scope="module")
def tokenizer(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    return write_tokenizer(read_checkpoint(encoder), tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def backbone(encoder: Path) -> Backbone:
    return Backbone.load(read_checkpoint(encoder), token_layer=1)


@pytest.fixture(scope="module")
def rows(tokenizer: TextTokenizer) -> list[FeatureRow]:
    return tokenizer.encode(TEXTS)


def test_readings_are_what_the_backbone_gives(
    backbone: Backbone, tokenizer: TextTokenizer, rows: list[FeatureRow], tmp_path: Path
) -> None:
    kept = read_all(backbone, tokenizer, rows, tmp_path / "kept", with_tokens=True)
    places = np.array([40, 3, 17, 6])
    feed, batch = tokenizer.collate([rows[at] for at in places]), kept.batch(places)
    with torch.inference_mode():
        expected = backbone(*(torch.from_numpy(feed.inputs[name]) for name in (IDS, MASK)))
    torch.testing.assert_close(batch["pooled"], expected.pooled, atol=1e-5, rtol=1e-5)
    np.testing.assert_array_equal(batch["mask"], feed.inputs[MASK])
    real = batch["mask"] > 0
    assert batch["tokens"].dtype == torch.float16
    torch.testing.assert_close(
        batch["tokens"].float()[real], expected.tokens[real], rtol=HALF_PRECISION * 1.01, atol=1e-5
    )
    assert not batch["tokens"][~real].any()


def test_what_is_kept_is_not_computed_again(
    backbone: Backbone,
    tokenizer: TextTokenizer,
    rows: list[FeatureRow],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computed = read_all(backbone, tokenizer, rows, tmp_path / "kept", with_tokens=True)
    monkeypatch.setattr(readings, "_write", lambda *arguments: pytest.fail("computed again"))
    kept = read_all(backbone, tokenizer, rows, tmp_path / "kept", with_tokens=True)
    everything = np.arange(len(rows))
    for name, tensor in computed.batch(everything).items():
        assert torch.equal(tensor, kept.batch(everything)[name]), name


def test_without_tokens_only_pooled_vectors_are_kept(
    backbone: Backbone, tokenizer: TextTokenizer, rows: list[FeatureRow], tmp_path: Path
) -> None:
    kept = read_all(backbone, tokenizer, rows, tmp_path / "kept", with_tokens=False)
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"pooled.npy"}
    assert set(kept.batch(np.array([0, 1]))) == {"pooled"}
    whole = read_all(backbone, tokenizer, rows, tmp_path / "whole", with_tokens=True)
    np.testing.assert_array_equal(kept.pooled, whole.pooled)


def test_readings_that_were_cut_short_are_not_there(
    backbone: Backbone, tokenizer: TextTokenizer, rows: list[FeatureRow], tmp_path: Path
) -> None:
    def interrupt(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_all(backbone, tokenizer, rows, tmp_path / "kept", True, interrupt)
    assert not (tmp_path / "kept").exists()
    again = read_all(backbone, tokenizer, rows, tmp_path / "kept", True)
    untouched = read_all(backbone, tokenizer, rows, tmp_path / "other", True)
    np.testing.assert_array_equal(again.pooled, untouched.pooled)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "other"]


def test_two_processes_may_read_the_same_texts_at_once(
    backbone: Backbone,
    tokenizer: TextTokenizer,
    rows: list[FeatureRow],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[Readings] = []

    def overtake(share: float) -> None:
        if not found:
            monkeypatch.setattr("os.getpid", lambda: -1)
            found.append(read_all(backbone, tokenizer, rows, tmp_path / "kept", True))

    slower = read_all(backbone, tokenizer, rows, tmp_path / "kept", True, overtake)
    np.testing.assert_array_equal(slower.pooled, found[0].pooled)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def row(ids: list[int]) -> FeatureRow:
    return FeatureRow({IDS: np.array(ids, np.int64)}, len(ids))


encoded = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3), min_size=1, max_size=4)


@given(one=encoded, other=encoded)
def test_other_texts_have_another_key(one: list[list[int]], other: list[list[int]]) -> None:
    keys = [key_of([row(ids) for ids in texts], "weights", 4) for texts in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def test_texts_divided_otherwise_have_another_key() -> None:
    assert key_of([row([1, 2]), row([3])]) != key_of([row([1]), row([2, 3])])


def test_another_encoder_layer_or_choice_of_tokens_has_another_key() -> None:
    rows = [row([1, 2])]
    keys = {key_of(rows, *more) for more in (("a", 4, True), ("b", 4, True), ("a", 3, True), ("a", 4, False))}
    assert len(keys) == 4
