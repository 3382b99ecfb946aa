"""Make `wire/_generated` from `proto/`, or check that it is current: `python -m wire.generate [--check]`.

protoc writes imports from the folder it read; they are pointed at `wire._generated`, so that nothing has to be on the
path. The messages of the open inference protocol go into a descriptor pool of their own: other clients of that
protocol bring the same names, and one process may hold both.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {"encoder": "jubako/v1/encoder.proto", "predict": "inference/predict.proto"}
"""Module and where it comes from."""
OWN_POOL = frozenset({"predict"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the modules, or say which are not current."""
    parser = argparse.ArgumentParser(prog="python -m wire.generate", description="Make the gRPC modules.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is not current")
    check = parser.parse_args(arguments).check
    stale = []
    for name, text in generate().items():
        path = ROOT / "wire" / "_generated" / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text)
    if check and stale:
        print(f"not current: {', '.join(stale)}; run `make proto`")
        return 1
    return 0


def generate() -> dict[str, str]:
    """Return the text of each generated file by its name.

    Raises:
        RuntimeError: protoc refuses a file; it has told why on standard error.
    """
    # not at the top: only development needs the compiler
    import grpc_tools
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        well_known = str(Path(grpc_tools.__file__).parent / "_proto")
        includes = [f"-I{ROOT / 'proto'}", f"-I{well_known}", f"-I{_google_rpc()}"]
        outputs = [f"--{plugin}_out={folder}" for plugin in ("python", "pyi", "grpc_python")]
        if protoc.main(["protoc", *includes, *outputs, *SOURCES.values()]):
            raise RuntimeError("protoc failed")
        made = {}
        for module, source in SOURCES.items():
            stem = folder / source.removesuffix(".proto")
            for ending in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py"):
                made[f"{module}{ending}"] = _settled(module, (stem.parent / f"{stem.name}{ending}").read_text())
        return made


def _settled(module: str, text: str) -> str:
    package = SOURCES[module].rsplit("/", 1)[0].replace("/", ".")
    text = text.replace(f"from {package} import", "from wire._generated import")
    if module in OWN_POOL:
        text = text.replace("_descriptor_pool.Default()", "_descriptor_pool.DescriptorPool()")
    return text


def _google_rpc() -> str:
    from google.rpc import status_pb2

    return str(Path(status_pb2.__file__).parents[2])


if __name__ == "__main__":
    sys.exit(main())
