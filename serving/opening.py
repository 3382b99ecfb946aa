"""What of a bundle both halves of a model need, in whichever processes they run: its features and its labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bundle.bundle import Bundle, telling_the_file
from bundle.catalogue import VECTORS_FILE, Catalogue
from bundle.errors import BundleError
from bundle.histories import HISTORIES_FILE, Histories
from bundle.manifest import Role, Task
from features.fields import FieldFeatures
from features.labels import LABELS_FILE, LabelSet
from features.pipeline import FEATURES_FILE, TOKENIZER_FILE, Pipeline
from features.rows import Features
from features.text import TextTokenizer
from features.towers import TowersConfig
from serving.bounds import Cost
from serving.classifier_model import ClassifierModel
from serving.index.opening import open_index, open_search
from serving.model import Placement, Served
from serving.recommender.model import RecommenderModel
from serving.recommender.tower import Tower
from serving.scheduler import Backend
from serving.settings import Settings
from serving.telemetry.metrics import SchedulerMetrics
from serving.text_model import TextModel


@dataclass(frozen=True)
class Placed:
    """One of a model's encoders, where it computes."""

    placement: Placement
    backend: Backend


class Opened(Protocol):
    """A bundle's parts."""

    @property
    def bundle(self) -> Bundle:
        """The bundle itself."""

    @property
    def cost(self) -> Cost:
        """What a token of this model costs."""

    @property
    def encoders(self) -> Mapping[Role, Features]:
        """What encodes the inputs of each of the bundle's graphs."""

    def golden_inputs(self, role: Role) -> Sequence[Any]:
        """Return the inputs of an encoder's self-test, as its features take them."""

    def model(self, placed: Mapping[Role, Placed], settings: Settings, encode_threads: int = 1) -> Served:
        """Return the model that hands its rows to backends."""


@dataclass(frozen=True)
class OpenedText:
    """A text encoder's bundle."""

    bundle: Bundle
    features: Features
    cost: Cost = Cost.TRANSFORMER

    @property
    def encoders(self) -> Mapping[Role, Features]:
        """The tokeniser."""
        return {Role.ENCODER: self.features}

    def golden_inputs(self, role: Role) -> Sequence[str]:
        """Return the texts of the self-test."""
        return self.bundle.golden.inputs

    def model(self, placed: Mapping[Role, Placed], settings: Settings, encode_threads: int = 1) -> Served:
        """Return the model."""
        own = placed[Role.ENCODER]
        return TextModel(self.bundle.manifest, own.placement, self.features, own.backend, encode_threads)


@dataclass(frozen=True)
class OpenedClassifier:
    """A classifier's bundle."""

    bundle: Bundle
    pipeline: Pipeline
    labels: LabelSet

    @property
    def encoders(self) -> Mapping[Role, Features]:
        """What encodes the texts of records."""
        return {Role.ENCODER: self.pipeline.features}

    def golden_inputs(self, role: Role) -> Sequence[str]:
        """Return the texts that the records of the self-test were turned into."""
        return self.bundle.golden.inputs

    @property
    def cost(self) -> Cost:
        """What a token of this model costs."""
        return Cost.BAG if self.pipeline.light else Cost.TRANSFORMER

    def model(self, placed: Mapping[Role, Placed], settings: Settings, encode_threads: int = 1) -> Served:
        """Return the model."""
        own, manifest = placed[Role.ENCODER], self.bundle.manifest
        return ClassifierModel(manifest, own.placement, self.pipeline, self.labels, own.backend, encode_threads)


@dataclass(frozen=True)
class OpenedRecommender:
    """A recommender's bundle."""

    bundle: Bundle
    towers: Mapping[Role, FieldFeatures]
    catalogue: Catalogue
    histories: Histories | None
    cost: Cost = Cost.BAG

    @property
    def encoders(self) -> Mapping[Role, Features]:
        """What encodes records of items, and of people where they have an encoder of their own."""
        return self.towers

    def golden_inputs(self, role: Role) -> Sequence[str]:
        """Return the records of an encoder's self-test, as JSON."""
        return self.bundle.golden_of(role).inputs

    def model(self, placed: Mapping[Role, Placed], settings: Settings, encode_threads: int = 1) -> Served:
        """Return the model, which searches its index in this process wherever its encoders compute."""
        manifest = self.bundle.manifest
        assert manifest.index is not None
        index = open_index(self.bundle.root, manifest.index, self.catalogue, settings.engine)
        towers = {
            role: Tower(
                manifest, own.placement, self.towers[role], own.backend, encode_threads, metrics_name(self.bundle, role)
            )
            for role, own in placed.items()
        }
        graphs = " and ".join(own.placement.graph for own in placed.values())
        placement = Placement(f"{graphs}, {index.device}", next(iter(placed.values())).placement.device)
        metrics = SchedulerMetrics(f"{manifest.name}.index", manifest.version)
        metrics.loaded(manifest.family, type(index).__name__, index.device)
        search = open_search(f"{manifest.name}.index", index, self.catalogue, metrics)
        return RecommenderModel(manifest, placement, towers, self.catalogue, self.histories, search, settings.limits)


def metrics_name(bundle: Bundle, role: Role) -> str:
    """Return what metrics call one of a bundle's encoders, beside its version."""
    return bundle.manifest.name if role is Role.ENCODER else f"{bundle.manifest.name}.{role}"


def open_parts(bundle: Bundle) -> Opened:
    """Open what the bundle's tasks need.

    Raises:
        BundleError: a file is missing, does not follow its schema, or does not fit the others.
    """
    if Task.RECOMMEND in bundle.manifest.tasks:
        return _open_recommender(bundle)
    if Task.CLASSIFY in bundle.manifest.tasks:
        return OpenedClassifier(bundle, _pipeline(bundle), _labels(bundle))
    return OpenedText(bundle, open_tokenizer(bundle))


def open_tokenizer(bundle: Bundle) -> TextTokenizer:
    """Open the tokeniser of a text bundle."""
    return TextTokenizer(bundle.root / TOKENIZER_FILE, bundle.manifest.max_tokens)


def _open_recommender(bundle: Bundle) -> OpenedRecommender:
    with telling_the_file(FEATURES_FILE, bundle.root):
        config = TowersConfig.open(bundle.root)
    catalogue = Catalogue.read(bundle.root)
    if catalogue.dimensions != bundle.manifest.dimensions:
        says, has = bundle.manifest.dimensions, catalogue.dimensions
        raise BundleError(f"{VECTORS_FILE}: vectors of {has} dimensions, the manifest says {says}; export it again")
    known = (bundle.root / HISTORIES_FILE).is_file()
    histories = Histories.read(bundle.root, len(catalogue)) if known else None
    towers = {Role(side): features for side, features in config.features().items()}
    return OpenedRecommender(bundle, towers, catalogue, histories)


def _pipeline(bundle: Bundle) -> Pipeline:
    with telling_the_file(FEATURES_FILE, bundle.root):
        pipeline = Pipeline.open(bundle.root)
    if pipeline.config.record != bundle.manifest.record:
        reads, says = pipeline.config.record, bundle.manifest.record
        raise BundleError(f"{bundle.tag}: {FEATURES_FILE} reads a {reads}, the manifest says {says}; export it again")
    return pipeline


def _labels(bundle: Bundle) -> LabelSet:
    labels = bundle.labels
    if len(labels.labels) != (outputs := bundle.golden.outputs.shape[1]):
        raise BundleError(f"{LABELS_FILE}: {len(labels.labels)} labels for {outputs} outputs of the graph")
    return labels
