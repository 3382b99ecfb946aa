"""The PyTorch encoder against sentence-transformers, module by module."""

import json
from pathlib import Path

import numpy as np
import pytest

from bundle.golden import cosine_rows
from export.probes import probe_texts
from export.runner import embed, run_module
from features.text import IDS
from models.checkpoint import Pooling, read_checkpoint
from models.errors import CheckpointError
from models.text import SentenceEncoder
from models.tokenizer import write_tokenizer
from tests.encoders import write_encoder

FLAGS = ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]


def _compare(folder: Path, scratch: Path, texts: list[str]) -> None:
    from sentence_transformers import SentenceTransformer

    scratch.mkdir(exist_ok=True)
    checkpoint = read_checkpoint(folder)
    ours = embed(run_module(SentenceEncoder.load(checkpoint)), write_tokenizer(checkpoint, scratch), texts)
    theirs = SentenceTransformer(str(folder), device="cpu").encode(texts, prompt="", show_progress_bar=False)
    assert ours.shape == theirs.shape
    assert cosine_rows(ours, theirs).min() >= 0.99999
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("flag", FLAGS)
def test_every_pooling_agrees_with_sentence_transformers(flag: str, tmp_path: Path) -> None:
    _compare(write_encoder(tmp_path / "encoder", [flag]), tmp_path / "out", probe_texts(64))


def test_concatenated_pooling_dense_and_layer_norm_agree_with_sentence_transformers(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder", ["cls_token", "mean_tokens"], ["Dense", "LayerNorm", "Normalize"])
    _compare(folder, tmp_path / "out", probe_texts(64))


def test_lower_case_and_length_limit_agree_with_sentence_transformers(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder", ["mean_tokens"], max_tokens=12, lower_case=True)
    _compare(
        folder,
        tmp_path / "out",
        ["A DOCTOR bought a Bicycle", "a doctor bought a bicycle", "x" * 500, *probe_texts(40)],
    )


def test_lower_case_makes_spellings_alike(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder", ["mean_tokens"], lower_case=True)
    checkpoint = read_checkpoint(folder)
    (tmp_path / "out").mkdir()
    rows = write_tokenizer(checkpoint, tmp_path / "out").encode(["A Doctor", "a doctor"])
    assert rows[0].arrays[IDS].tolist() == rows[1].arrays[IDS].tolist()


def test_checkpoint_tells_its_own_settings(tmp_path: Path) -> None:
    prompts = {"query": "find: ", "document": "text: "}
    folder = write_encoder(tmp_path / "e", ["cls_token", "max_tokens"], ["Normalize"], max_tokens=40, prompts=prompts)
    checkpoint = read_checkpoint(folder)
    assert checkpoint.pooling == "cls+max"
    assert checkpoint.normalized
    assert checkpoint.max_tokens == 40
    assert checkpoint.prompts == prompts
    assert checkpoint.default_prompt == "query"
    assert checkpoint.similarity == "dot"


def test_a_plain_hugging_face_folder_is_mean_pooled(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "e")
    (folder / "modules.json").unlink()
    checkpoint = read_checkpoint(folder)
    assert checkpoint.stages[0].modes == (Pooling.MEAN,)
    assert not checkpoint.normalized


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("modules.json", [{"type": "x.CLIPModel", "path": ""}], "only transformer encoders"),
        ("modules.json", [{"type": "x.Transformer", "path": ""}], "one Pooling module"),
        ("1_Pooling/config.json", {"pooling_mode": "median"}, "median"),
        ("1_Pooling/config.json", {"pooling_mode": "mean", "include_prompt": False}, "prompt"),
        ("config_sentence_transformers.json", {"similarity_fn_name": "euclidean"}, "euclidean"),
    ],
)
def test_unsupported_checkpoints_are_named(file: str, content: object, told: str, tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "e")
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=told):
        read_checkpoint(folder)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "e")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin can run code"):
        SentenceEncoder.load(read_checkpoint(folder))
