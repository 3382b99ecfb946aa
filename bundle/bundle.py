"""A bundle on disk: open it, trust it, pick the graph to run."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bundle.digest import check_files, describe_files
from bundle.errors import BundleError
from bundle.golden import Golden
from bundle.manifest import MANIFEST_FILE, GraphRecord, Manifest, Precision, Provider, Role
from features.labels import LABELS_FILE, LabelSet


@dataclass(frozen=True)
class Bundle:
    """A folder with a valid manifest. `verify()` says whether its files are the ones that were exported."""

    root: Path
    manifest: Manifest

    @classmethod
    def open(cls, root: Path) -> "Bundle":
        """Read and check the manifest of the bundle in `root`; files are not hashed yet.

        Raises:
            BundleError: there is no manifest, or it does not follow the schema.
        """
        with telling_the_file(MANIFEST_FILE, root):
            return cls(root, Manifest.model_validate_json((root / MANIFEST_FILE).read_bytes()))

    @property
    def tag(self) -> str:
        """`name:version`, as the model store and every answer call this bundle."""
        return f"{self.manifest.name}:{self.manifest.version}"

    @property
    def golden(self) -> Golden:
        """The self-test the bundle carries for its only encoder."""
        return Golden.read(self.root)

    def golden_of(self, role: Role) -> Golden:
        """Return the self-test of one of the bundle's encoders."""
        return Golden.read(self.root, role)

    @property
    def labels(self) -> LabelSet:
        """The labels and the decision rule of a classifier.

        Raises:
            BundleError: `labels.json` is missing or does not follow its schema.
        """
        with telling_the_file(LABELS_FILE, self.root):
            return LabelSet.model_validate_json((self.root / LABELS_FILE).read_bytes())

    def verify(self) -> None:
        """Check every file against its digest.

        Raises:
            BundleError: naming the file that is missing, altered or unlisted.
        """
        check_files(self.root, self.manifest.files)

    def path_of(self, graph: GraphRecord) -> Path:
        """Return the path of a graph's ONNX file."""
        return self.root / graph.file

    def pick(
        self,
        available: Collection[str],
        precision: Precision | None = None,
        besides: Collection[Precision] = (),
        role: Role = Role.ENCODER,
    ) -> tuple[GraphRecord, Provider]:
        """Choose the graph of an encoder to serve and the provider to run it on.

        CUDA gets fp16. The CPU gets 8-bit where its loss of the task metric and its batch invariance are within
        the bundle's tolerances, else fused fp32, else fp32. `precision` overrides the order, not the allowed
        providers: an fp16 graph on the CPU provider runs ten times slower and is never chosen. `besides` are precisions
        that failed on this machine and are passed over.

        Raises:
            BundleError: no graph of the bundle may run on the available providers.
        """
        graphs = [graph for graph in self.manifest.graphs if graph.role is role and graph.precision not in besides]
        for provider, order in _PREFERENCE:
            if provider not in available:
                continue
            for wanted in order if precision is None else (precision,):
                for graph in graphs:
                    if graph.precision is wanted and provider in graph.providers and self._admits(graph):
                        return graph, provider
        have = ", ".join(f"{graph.precision} on {'/'.join(graph.providers)}" for graph in self.manifest.graphs)
        asked = f"precision {precision}" if precision else "any precision"
        raise BundleError(f"{self.tag}: no graph of {asked} for {sorted(available)}; the bundle has {have}")

    def _admits(self, graph: GraphRecord) -> bool:
        limits = self.manifest.tolerances
        if graph.precision is not Precision.INT8:
            return True
        return graph.metric_drop <= limits.metric_drop and graph.batch_invariance >= limits.batch_invariance_min_cosine


@contextmanager
def telling_the_file(name: str, root: Path) -> Iterator[None]:
    """Turn what goes wrong when a JSON file of a bundle is read into a `BundleError` that names file and field."""
    try:
        yield
    except OSError as error:
        raise BundleError(f"{name}: cannot be read in {root} ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise BundleError(f"{name}: {where}: {first['msg']}") from error


def seal(root: Path, manifest: Manifest) -> Bundle:
    """Write `manifest` into `root` with the digests of the files that lie there now, and return the bundle."""
    sealed = manifest.model_copy(update={"files": describe_files(root)})
    (root / MANIFEST_FILE).write_text(sealed.model_dump_json(indent=2) + "\n")
    return Bundle.open(root)


_PREFERENCE = (
    (Provider.CUDA, (Precision.FP16, Precision.FUSED, Precision.FP32)),
    (Provider.CPU, (Precision.INT8, Precision.FUSED, Precision.FP32)),
)
