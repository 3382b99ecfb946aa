"""A classifier's bundle small enough to build in a moment, without torch: keywords in a bag of n-grams.

Every n-gram also adds a little random weight to every label, so that a row that loses an n-gram, or meets one of its
neighbour's, gets other scores. A joint one adds the same for the tokens of a tokeniser.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

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
    TrainingData,
)
from features.labels import LABELS_FILE, Assigned, Label, LabelSet, Scores, Temperature
from features.ngrams import NgramConfig, NgramFeatures
from features.pipeline import TOKENIZER_FILE, FeaturesConfig, Pipeline
from tests.tiny import tiny_tokenizer

LABELS = LabelSet(
    labels=[
        Label(label="fantasy", name="Fantasy", threshold=0.5),
        Label(label="scifi", name="Science Fiction", threshold=0.4),
        Label(label="mystery", name="Mystery", threshold=0.6),
        Label(label="crime", name="Crime", threshold=0.3),
        Label(label="romance", name="Romance", threshold=0.5),
    ],
    implications=[("mystery", "crime")],
    calibration=Temperature(temperature=1.5),
)
KEYWORDS = ["dragon", "orbit", "detective", "murder", "wedding"]
FIELDS = {"book": ["title", "description"], "paper": ["title", "abstract"]}
TEXTS = [
    "A dragon guards the last orbit of the moon", "the detective and the wedding", "Rice.", "数据 和 文字",
    "nothing of all this is what it seems to be when a murder turns into a wedding of the dragon",
]  # fmt: skip
GRAPH_FILE = "graphs/classifier.fp32.onnx"
NGRAMS = NgramConfig(bits=12, words=(1, 2), characters=(3,))
MAX_TOKENS = 32


def build_tiny_classifier(
    root: Path, name: str, record: Literal["book", "paper"] = "book", labels: LabelSet = LABELS, joint: bool = False
) -> Bundle:
    """Build and seal a bundle in `root`; a joint model reads a transformer's tokens beside n-grams."""
    (root / "graphs").mkdir(parents=True)
    tokenizer = tiny_tokenizer()
    if joint:
        tokenizer.save(str(root / TOKENIZER_FILE))
    config = FeaturesConfig(
        record=record, fields=FIELDS[record], ngrams=NGRAMS, max_tokens=MAX_TOKENS if joint else None
    )
    pipeline = Pipeline.make(config, root / TOKENIZER_FILE)
    pipeline.write(root)
    (root / LABELS_FILE).write_text(labels.model_dump_json())
    onnx.save(_graph(len(labels.labels), tokenizer.get_vocab_size() if joint else 0), str(root / GRAPH_FILE))
    texts = [pipeline.text_of(text) for text in TEXTS]
    Golden(texts, _raw_scores(root, pipeline, texts)).write(root)
    return seal(root, _manifest(name, record, pipeline.max_tokens))


def classify_directly(
    root: Path, values: Sequence[object], threshold: float | None = None
) -> tuple[LabelSet, Scores, Assigned]:
    """Classify values one by one with the bundle's graph, without any of the serving code."""
    pipeline = Pipeline.open(root)
    labels = LabelSet.model_validate_json((root / LABELS_FILE).read_bytes())
    scores = labels.calibrate(_raw_scores(root, pipeline, [pipeline.text_of(value) for value in values]))
    return labels, scores, labels.assign(scores, threshold)


def _raw_scores(root: Path, pipeline: Pipeline, texts: list[str]) -> NDArray[np.float32]:
    session = ort.InferenceSession(str(root / GRAPH_FILE), providers=["CPUExecutionProvider"])
    feeds = [pipeline.features.collate([row]) for row in pipeline.features.encode(texts)]
    return np.concatenate([np.asarray(session.run(None, feed.inputs)[0]) for feed in feeds])


def _graph(labels: int, vocabulary: int) -> onnx.ModelProto:
    generator = np.random.default_rng(0)
    table = generator.normal(0, 0.02, (NGRAMS.buckets, labels)).astype(np.float32)
    for at, row in enumerate(NgramFeatures(NGRAMS.model_copy(update={"characters": ()})).encode(KEYWORDS)[:labels]):
        table[row.arrays["ngram_ids"], at] += 4
    tokens = generator.normal(0, 0.1, (max(vocabulary, 1), labels)).astype(np.float32)
    constants = {"table": table, "bias": np.full(labels, -2, np.float32), "last": np.array([-1]), "one": np.array([1])}
    nodes = [
        *_weighted_sum("table", "ngram_ids", "ngram_weights", "bag"),
        helper.make_node("Add", ["bag", "bias"], ["biased"]),
        helper.make_node("Sigmoid", ["logits" if vocabulary else "biased"], ["scores"]),
    ]
    inputs = [_input("ngram_ids", TensorProto.INT64, "ngrams"), _input("ngram_weights", TensorProto.FLOAT, "ngrams")]
    if vocabulary:
        constants["tokens"] = tokens
        nodes[-1:-1] = [
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            *_weighted_sum("tokens", "input_ids", "mask", "text"),
            helper.make_node("Add", ["biased", "text"], ["logits"]),
        ]
        inputs += [_input(name, TensorProto.INT64, "tokens_") for name in ("input_ids", "attention_mask")]
    out = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", labels])
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, [out], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _weighted_sum(table: str, ids: str, weights: str, out: str) -> list[onnx.NodeProto]:
    """Return the nodes of out = sum over places of weight x row of the table, [batch, labels]."""
    return [
        helper.make_node("Gather", [table, ids], [f"{out}_rows"]),  # [batch, length, labels]
        helper.make_node("Unsqueeze", [weights, "last"], [f"{out}_weights"]),  # [batch, length, 1]
        helper.make_node("Mul", [f"{out}_rows", f"{out}_weights"], [f"{out}_weighted"]),
        helper.make_node("ReduceSum", [f"{out}_weighted", "one"], [out], keepdims=0),
    ]


def _input(name: str, kind: int, length: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["batch", length])


def _manifest(name: str, record: Literal["book", "paper"], max_tokens: int) -> Manifest:
    metric = TaskMetric(name="micro-F1", value=1.0, protocol="none: keywords")
    graph = GraphRecord(
        file=GRAPH_FILE,
        precision=Precision.FP32,
        providers=[Provider.CPU],
        parity=Parity(reference="itself", rows=len(TEXTS), max_abs=0.0, min_cosine=1.0, mean_cosine=1.0),
        batch_invariance=1.0,
        metric=metric,
        metric_drop=0.0,
    )
    return Manifest(
        name=name,
        family="classifier",
        version="1",
        tasks=[Task.CLASSIFY],
        created=datetime.now(UTC),
        provenance=Provenance(source="made in a test", weights_sha256="0" * 64),
        training_data=TrainingData(description="five keywords", sha256="0" * 64, rows=5),
        metrics=[metric],
        record=record,
        max_tokens=max_tokens,
        graphs=[graph],
        files={GRAPH_FILE: FileRecord(sha256="0" * 64, bytes=0)},
    )
