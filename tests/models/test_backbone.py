"""The backbone against the transformer that it was taken from."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
)

from models.backbone import Backbone
from models.checkpoint import read_checkpoint
from models.errors import CheckpointError
from tests.encoders import HIDDEN, write_encoder

LAYERS = 3
SIZES: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "max_position_embeddings": 40, "initializer_range": 0.3,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("backbone") / "encoder", layers=LAYERS)


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Backbone:
    return Backbone.load(read_checkpoint(folder), token_layer=2)


def made(model: Any, config: Any, **sizes: Any) -> Any:
    """Return a transformer with random weights."""
    torch.manual_seed(0)
    return model(config(**sizes)).eval()


def batch(lengths: list[int], pad: int = 0, vocabulary: int = 50) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(sum(lengths))
    ids = torch.randint(4, vocabulary, (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)).long()
    return torch.where(mask > 0, ids, pad), mask


def expected_of(transformer: Any, ids: Tensor, mask: Tensor, layer: int) -> tuple[Tensor, list[Tensor]]:
    """Return the token vectors and each row's pooled vectors as transformers' own hidden states give them."""
    with torch.inference_mode():
        states = transformer(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    pooled = []
    for at, length in enumerate(mask.sum(dim=1).tolist()):
        rows = [state[at, :length] for state in states]  # layers of [tokens, hidden]
        means = [row.mean(dim=0) for row in rows[layer:]]
        pooled.append(torch.cat([*means, rows[-1][0], rows[-1].amax(dim=0)]))
    return states[layer], pooled


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_readings_are_the_transformer_s_own_hidden_states(folder: Path, layer: int) -> None:
    reader = Backbone.load(read_checkpoint(folder), layer)
    ids, mask = batch([9, 3, 1, 14])
    with torch.inference_mode():
        reading = reader(ids, mask)
    tokens, pooled = expected_of(AutoModel.from_pretrained(folder).eval(), ids, mask, layer)
    torch.testing.assert_close(reading.tokens[mask > 0], tokens[mask > 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(reading.pooled, torch.stack(pooled), atol=1e-5, rtol=1e-5)
    assert reader.pooled == reading.pooled.shape[1] == (LAYERS - layer + 3) * HIDDEN


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5), pad=st.integers(0, 40))
def test_a_reading_does_not_depend_on_its_batch(backbone: Backbone, lengths: list[int], pad: int) -> None:
    ids, mask = batch(lengths, pad)
    with torch.inference_mode():
        together = backbone(ids, mask)
        for at, length in enumerate(lengths):
            alone = backbone(ids[at : at + 1, :length], mask[at : at + 1, :length])
            torch.testing.assert_close(together.tokens[at, :length], alone.tokens[0], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(together.pooled[at], alone.pooled[0], atol=1e-4, rtol=1e-4)


def test_a_layer_that_is_not_there_is_refused(folder: Path) -> None:
    for layer in (0, LAYERS + 1):
        with pytest.raises(CheckpointError, match=f"token_layer is {layer}, the encoder has layers 1 to {LAYERS}"):
            Backbone.load(read_checkpoint(folder), layer)


def test_positions_counted_from_the_padding_are_read_right(tmp_path: Path) -> None:
    roberta = made(RobertaModel, RobertaConfig, pad_token_id=1, **SIZES)
    roberta.save_pretrained(tmp_path)
    ids, mask = batch([9, 4], pad=1)
    with torch.inference_mode():
        reading = Backbone.load(read_checkpoint(tmp_path), 1)(ids, mask)
    torch.testing.assert_close(reading.pooled, torch.stack(expected_of(roberta, ids, mask, 1)[1]), atol=1e-5, rtol=1e-5)


def test_a_transformer_whose_layers_are_given_more_than_a_mask_is_refused(tmp_path: Path) -> None:
    made(MPNetModel, MPNetConfig, **SIZES).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="MPNetModel passes more than a mask"):
        Backbone.load(read_checkpoint(tmp_path), 1)


def test_a_transformer_without_such_layers_is_refused(tmp_path: Path) -> None:
    sizes = {"vocab_size": 50, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 24}
    made(DistilBertModel, DistilBertConfig, **sizes).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="DistilBertModel has no stack of layers like BERT's"):
        Backbone.load(read_checkpoint(tmp_path), 1)


def test_weights_come_from_the_checkpoint(tmp_path: Path) -> None:
    bert = made(BertModel, BertConfig, **SIZES)
    bert.save_pretrained(tmp_path)
    loaded = Backbone.load(read_checkpoint(tmp_path), 2)
    assert not loaded.training
    read = loaded.state_dict()["embeddings.word_embeddings.weight"]
    assert torch.equal(read, bert.embeddings.word_embeddings.weight)
