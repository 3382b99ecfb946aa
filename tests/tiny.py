"""A text bundle small enough to build in a moment: a real tokeniser and a real graph, made without torch.

Its encoder looks up a random vector for each token, takes the masked mean and brings it to unit length: enough to tell
texts apart and to catch a scheduler that mixes up rows, a mask that is not applied, or a batch that leaks into a row.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from bundle.bundle import Bundle, seal
from bundle.golden import Golden
from bundle.manifest import (
    FileRecord,
    GraphRecord,
    Manifest,
    Parity,
    Precision,
    Provenance,
    Provider,
    Task,
    TaskMetric,
)
from features.pipeline import TOKENIZER_FILE
from features.text import TextTokenizer

DIMENSIONS = 32
TRAINED_SIZES = (8, 16)
"""As if it had been trained with a matryoshka loss; random vectors are as good when they are cut."""
MAX_TOKENS = 64
WIDE = 2048
CORPUS = [
    "the lacquer box holds three trays of rice and vegetables",
    "a server answers many questions at once without losing one of them",
    "short", "longer sentences have more words than shorter ones do",
    "vectors of like texts point the same way", "数据 和 文字", "été naïve café",
]  # fmt: skip
GRAPH_FILE = "graphs/encoder.fp32.onnx"


def build_tiny_bundle(
    root: Path, name: str, prompts: dict[str, str] | None = None, work: int = 0, dimensions: int = DIMENSIONS,
    sizes: Sequence[int] = TRAINED_SIZES, version: str = "1", seed: int = 0,
) -> Bundle:  # fmt: skip
    """Build and seal a bundle in `root`; `work` is how often its graph multiplies by a large matrix to no effect.

    Another `seed` gives other vectors.
    """
    (root / "graphs").mkdir(parents=True)
    tokenizer = tiny_tokenizer()
    tokenizer.save(str(root / TOKENIZER_FILE))
    onnx.save(_graph(tokenizer.get_vocab_size(), work, dimensions, seed), str(root / GRAPH_FILE))
    texts = ["hello world", "", *CORPUS]
    Golden(texts, embed_directly(root, texts)).write(root)
    return seal(root, _manifest(name, prompts or {}, dimensions, sizes, version))


def embed_directly(root: Path, texts: list[str]) -> NDArray[np.float32]:
    """Embed texts one by one with the bundle's graph, without any of the serving code."""
    tokenizer = TextTokenizer(root / TOKENIZER_FILE, MAX_TOKENS)
    session = ort.InferenceSession(str(root / GRAPH_FILE), providers=["CPUExecutionProvider"])
    feeds = [tokenizer.collate([row]) for row in tokenizer.encode(texts)]
    return np.concatenate([np.asarray(session.run(None, feed.inputs)[0]) for feed in feeds])


def tiny_tokenizer() -> Tokenizer:
    """Train a word-piece tokeniser on the corpus."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def _graph(vocabulary: int, work: int, dimensions: int, seed: int) -> onnx.ModelProto:
    table = np.random.default_rng(seed).normal(size=(vocabulary, dimensions)).astype(np.float32)
    axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
    last = numpy_helper.from_array(np.array([-1], dtype=np.int64), "last")
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["tokens_0"]),  # [batch, tokens, dim]
        *(node for step in range(work) for node in _work(step)),
        helper.make_node("Identity", [f"tokens_{work}"], ["tokens"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"]),  # [batch, tokens, 1]
        helper.make_node("Mul", ["tokens", "mask3"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "axes"], ["sum"], keepdims=0),  # [batch, dim]
        helper.make_node("LpNormalization", ["sum"], ["embedding"], axis=1, p=2),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "tokens"])
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dimensions])
    weights = [numpy_helper.from_array(table, "table"), axes, last]
    if work:
        wide = np.random.default_rng(1).normal(size=(dimensions, WIDE)).astype(np.float32)
        weights += [numpy_helper.from_array(wide, "wide"), numpy_helper.from_array(np.zeros_like(wide.T), "narrow")]
    graph = helper.make_graph(nodes, "tiny", [ids, mask], [out], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _work(step: int) -> list[onnx.NodeProto]:
    """Return nodes that cost 2 x dimensions x WIDE multiplications a token and add zero."""
    return [
        helper.make_node("MatMul", [f"tokens_{step}", "wide"], [f"wide_{step}"]),
        helper.make_node("MatMul", [f"wide_{step}", "narrow"], [f"zero_{step}"]),
        helper.make_node("Add", [f"tokens_{step}", f"zero_{step}"], [f"tokens_{step + 1}"]),
    ]


def _manifest(name: str, prompts: dict[str, str], dimensions: int, sizes: Sequence[int], version: str) -> Manifest:
    metric = TaskMetric(name="spearman", value=1.0, protocol="none: random weights")
    parity = Parity(reference="itself", rows=len(CORPUS), max_abs=0.0, min_cosine=1.0, mean_cosine=1.0)
    graph = GraphRecord(
        file=GRAPH_FILE,
        precision=Precision.FP32,
        providers=[Provider.CPU],
        parity=parity,
        batch_invariance=1.0,
        metric=metric,
        metric_drop=0.0,
    )
    return Manifest(
        name=name,
        family="text",
        version=version,
        tasks=[Task.EMBED],
        created=datetime.now(UTC),
        provenance=Provenance(source="made in a test", weights_sha256="0" * 64),
        similarity="cosine",
        pooling="mean",
        normalized=True,
        dimensions=dimensions,
        matryoshka=list(sizes),
        max_tokens=MAX_TOKENS,
        prompts=prompts,
        graphs=[graph],
        files={GRAPH_FILE: FileRecord(sha256="0" * 64, bytes=0)},
    )
