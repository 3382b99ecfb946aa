import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from bundle.bundle import Bundle, seal
from bundle.errors import BundleError
from bundle.golden import Golden
from bundle.manifest import MANIFEST_FILE, GraphRecord, Manifest, Precision, Provider
from features.labels import LABELS_FILE
from tests.tiny_classifier import LABELS

CPU, CUDA = [Provider.CPU], [Provider.CUDA, Provider.CPU]


@pytest.fixture
def copy(tiny: Bundle, tmp_path: Path) -> Bundle:
    """A bundle that a test may spoil."""
    shutil.copytree(tiny.root, tmp_path / "bundle")
    return Bundle.open(tmp_path / "bundle")


def test_a_sealed_bundle_verifies(copy: Bundle) -> None:
    copy.verify()


@pytest.mark.parametrize("file", ["graphs/encoder.fp32.onnx", "tokenizer.json", "golden.npz"])
def test_one_flipped_byte_is_refused_and_named(copy: Bundle, file: str) -> None:
    content = bytearray((copy.root / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy.root / file).write_bytes(content)
    with pytest.raises(BundleError, match=file):
        copy.verify()


def test_a_missing_file_is_named(copy: Bundle) -> None:
    (copy.root / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match=r"tokenizer\.json.*missing"):
        copy.verify()


def test_an_unlisted_file_is_refused(copy: Bundle) -> None:
    (copy.root / "stowaway.onnx").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"stowaway\.onnx"):
        copy.verify()


def test_a_manifest_that_points_outside_the_bundle_is_refused(copy: Bundle) -> None:
    record = copy.manifest.files["tokenizer.json"]
    manifest = copy.manifest.model_copy(update={"files": {**copy.manifest.files, "../elsewhere": record}})
    with pytest.raises(BundleError, match="outside the bundle"):
        Bundle(copy.root, manifest).verify()


def test_a_manifest_with_an_unknown_field_is_refused_and_the_field_named(copy: Bundle) -> None:
    path = copy.root / MANIFEST_FILE
    path.write_text(path.read_text().replace('"family"', '"famly": "x", "family"', 1))
    with pytest.raises(BundleError, match="famly"):
        Bundle.open(copy.root)


@pytest.mark.parametrize("field", ["similarity", "pooling", "normalized", "dimensions"])
def test_a_model_that_gives_vectors_has_to_describe_them(tiny: Bundle, tales: Bundle, field: str) -> None:
    fields = {**tiny.manifest.model_dump(), field: None}
    with pytest.raises(ValidationError, match=field):
        Manifest.model_validate(fields)
    assert getattr(Manifest.model_validate({**fields, "tasks": ["classify"]}), field) is None
    assert getattr(tales.manifest, field) is None


@pytest.mark.parametrize("sizes", [[16, 8], [8, 8], [0, 8], [-8, 8], [8, 32], [8, 64]])
def test_matryoshka_sizes_rise_and_are_shorter_than_the_vector(tiny: Bundle, sizes: list[int]) -> None:
    fields = tiny.manifest.model_dump()
    assert Manifest.model_validate({**fields, "matryoshka": [1, 31]}).matryoshka == [1, 31]
    with pytest.raises(ValidationError, match="matryoshka"):
        Manifest.model_validate({**fields, "matryoshka": sizes})


def test_a_manifest_from_before_there_were_classifiers_opens(copy: Bundle) -> None:
    path = copy.root / MANIFEST_FILE
    fields = json.loads(path.read_text())
    del fields["record"], fields["tolerances"]["fp32_max_abs"]
    path.write_text(json.dumps(fields))
    assert Bundle.open(copy.root).manifest == copy.manifest


def test_a_classifier_brings_its_labels(tales: Bundle) -> None:
    assert tales.labels == LABELS


def test_labels_that_are_missing_or_wrong_are_named(tales: Bundle, copy: Bundle) -> None:
    with pytest.raises(BundleError, match=r"labels\.json: cannot be read"):
        _ = copy.labels
    (copy.root / LABELS_FILE).write_text('{"labels": [{"label": "a", "name": "A", "threshold": 7}]}')
    with pytest.raises(BundleError, match=r"labels\.json: labels\.0\.threshold"):
        _ = copy.labels


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=MANIFEST_FILE):
        Bundle.open(tmp_path)


def test_a_manifest_survives_the_way_to_disk_and_back(copy: Bundle) -> None:
    assert seal(copy.root, copy.manifest).manifest == copy.manifest


def test_golden_vectors_notice_a_wrong_output(copy: Bundle) -> None:
    golden = copy.golden
    golden.check(golden.outputs, 0.9999)
    spoiled = golden.outputs.copy()
    spoiled[1] = -spoiled[1]
    with pytest.raises(BundleError, match="cosine"):
        golden.check(spoiled, 0.9999)


def test_golden_vectors_notice_what_is_only_wrong_when_they_are_cut() -> None:
    golden = Golden(["a"], np.array([[0.02, 0.01, 1.0, 1.0]], dtype=np.float32))
    spoiled = np.array([[0.01, 0.02, 1.0, 1.0]], dtype=np.float32)
    golden.check(spoiled, 0.999)
    golden.check(golden.outputs, 0.999, sizes=[2])
    with pytest.raises(BundleError, match=r"cosine 0\.8"):
        golden.check(spoiled, 0.999, sizes=[2])


def test_golden_scores_notice_a_score_that_is_off(tales: Bundle) -> None:
    golden = tales.golden
    spoiled = golden.outputs.copy()
    spoiled[1, 2] += 0.01
    golden.check_scores(spoiled, 0.0101)
    with pytest.raises(BundleError, match=r"0\.01000 off the reference"):
        golden.check_scores(spoiled, 0.0099)
    spoiled[0, 0] = np.nan
    with pytest.raises(BundleError):
        golden.check_scores(spoiled, 1.0)
    with pytest.raises(BundleError, match="expected"):
        golden.check_scores(spoiled[:, :-1], 1.0)


def test_golden_vectors_notice_nan(copy: Bundle) -> None:
    spoiled = np.full_like(copy.golden.outputs, np.nan)
    with pytest.raises(BundleError):
        copy.golden.check(spoiled, 0.5)


def test_golden_vectors_hold_no_python_objects(tmp_path: Path) -> None:
    np.savez(tmp_path / "golden.npz", inputs=np.array([{"a": 1}], dtype=object), outputs=np.zeros((1, 2)))
    with pytest.raises(BundleError, match="cannot be read"):
        Golden.read(tmp_path)


def with_graphs(bundle: Bundle, *graphs: GraphRecord) -> Bundle:
    files = {graph.file: next(iter(bundle.manifest.files.values())) for graph in graphs}
    fields = {**bundle.manifest.model_dump(), "graphs": graphs, "files": {**bundle.manifest.files, **files}}
    return Bundle(bundle.root, Manifest.model_validate(fields))


def graph(tiny: Bundle, precision: Precision, providers: list[Provider], **measured: float) -> GraphRecord:
    fields = {"file": f"graphs/{precision}.onnx", "precision": precision, "providers": providers, **measured}
    return tiny.manifest.graphs[0].model_copy(update=fields)


def test_the_cpu_gets_eight_bits_where_its_loss_is_small(tiny: Bundle) -> None:
    bundle = with_graphs(tiny, graph(tiny, Precision.FUSED, CPU), graph(tiny, Precision.INT8, CPU, metric_drop=0.004))
    assert bundle.pick([Provider.CPU])[0].precision is Precision.INT8


@pytest.mark.parametrize("measured", [{"metric_drop": 0.006}, {"batch_invariance": 0.982}])
def test_the_cpu_gets_fused_floats_where_eight_bits_cost_too_much(tiny: Bundle, measured: dict[str, float]) -> None:
    bundle = with_graphs(tiny, graph(tiny, Precision.FUSED, CPU), graph(tiny, Precision.INT8, CPU, **measured))
    assert bundle.pick([Provider.CPU])[0].precision is Precision.FUSED


def test_cuda_gets_half_precision(tiny: Bundle) -> None:
    bundle = with_graphs(tiny, graph(tiny, Precision.FUSED, CUDA), graph(tiny, Precision.FP16, [Provider.CUDA]))
    picked, provider = bundle.pick([Provider.CUDA, Provider.CPU])
    assert (picked.precision, provider) == (Precision.FP16, Provider.CUDA)


def test_half_precision_is_refused_on_the_cpu_even_when_asked_for(tiny: Bundle) -> None:
    bundle = with_graphs(tiny, graph(tiny, Precision.FUSED, CPU), graph(tiny, Precision.FP16, [Provider.CUDA]))
    with pytest.raises(BundleError, match="fp16"):
        bundle.pick([Provider.CPU], Precision.FP16)
