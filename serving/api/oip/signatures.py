"""What each kind of model takes and gives as tensors, and which of its tasks a request is for.

A request does not name its task: its inputs, the outputs that it asks for and its parameters tell, or the parameter
`task` where they do not.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from bundle.manifest import Task
from serving.api.oip.tensors import BYTES
from serving.classifier_model import ClassifierModel
from serving.core import Core
from serving.errors import Code, JubakoError
from serving.model import Served
from serving.recommender.model import RecommenderModel
from serving.text_model import TextModel

COMMON_PARAMETERS = frozenset({"task", "timeout"})
EMBED_OPTIONS = frozenset({"prompt", "truncate", "dimensions", "normalize", "output_dtype"})
CLASSIFY_OPTIONS = frozenset({"top_k", "threshold", "candidate_labels", "truncate"})
RECOMMEND_OPTIONS = frozenset({"k", "exclude", "exclude_seen", "filters", "diversity", "explain"})
ANY = -1
"""Size of a dimension that a request decides."""


@dataclass(frozen=True)
class Port:
    """One input or output of a model."""

    name: str
    datatype: str = BYTES
    shape: tuple[int, ...] = (ANY,)
    optional: bool = False
    """An input that need not be sent; an output that does not come unless it is asked for."""


@dataclass(frozen=True)
class Signature:
    """One task of a model."""

    task: Task
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    options: frozenset[str]
    needs: frozenset[str] = field(default_factory=frozenset)
    """Inputs and options of which at least one has to be given; empty: it answers without any."""

    def takes(self, inputs: Collection[str], outputs: Collection[str], options: Collection[str]) -> bool:
        """Return whether a request with these names can be for this task."""
        return (
            {port.name for port in self.inputs}.issuperset(inputs)
            and {port.name for port in self.outputs}.issuperset(outputs)
            and self.options.issuperset(options)
        )


def signatures_of(model: Served) -> list[Signature]:
    """Return what a model can be asked, what it is for first."""
    width = model.manifest.dimensions or ANY
    embedding = (Port("embedding", "FP32", (ANY, width)), Port("scale", "FP32", optional=True))
    if isinstance(model, TextModel):
        text, record = (Port("text"),), (Port("text"), Port("record", optional=True))
        return [
            Signature(Task.EMBED, text, embedding, EMBED_OPTIONS, frozenset({"text"})),
            Signature(Task.CLASSIFY, record, _labels(ANY), CLASSIFY_OPTIONS, frozenset({"candidate_labels"})),
        ]
    if isinstance(model, ClassifierModel):
        inputs = (Port("text"), Port("record", optional=True))
        labels = _labels(len(model.labels.labels))
        return [Signature(Task.CLASSIFY, inputs, labels, CLASSIFY_OPTIONS, frozenset({"text", "record"}))]
    if isinstance(model, RecommenderModel):
        subjects = ("item", "record", "person")
        return [
            Signature(Task.RECOMMEND, ASKED, RECOMMENDED, RECOMMEND_OPTIONS),
            Signature(Task.EMBED, _optional(subjects), embedding, EMBED_OPTIONS, frozenset(subjects)),
        ]
    return []


def choose(
    core: Core, model: Served, inputs: Sequence[str], outputs: Sequence[str], parameters: Collection[str], task: object
) -> Signature:
    """Return what a request with tensors and parameters of these names is for.

    Raises:
        JubakoError: `invalid_value` when nothing or more than one thing fits, saying what to send; `unknown_model` when
            `task` is none of the model's.
    """
    options = set(parameters) - COMMON_PARAMETERS
    able = signatures_of(model)
    if task is not None:
        able = _able(core, model, able, task)
    for what, given, known in (
        ("input", inputs, {port.name for each in able for port in each.inputs}),
        ("output", outputs, {port.name for each in able for port in each.outputs}),
        ("parameter", sorted(options), COMMON_PARAMETERS.union(*(each.options for each in able))),
    ):
        _refuse_unknown(model, what, given, known)
        _refuse_twice(what, given)
    fits = [each for each in able if each.takes(inputs, outputs, options)]
    if not fits:
        raise _clash(model, able)
    met = [each for each in fits if not each.needs or not each.needs.isdisjoint({*inputs, *options})]
    if not met:
        core.model_for(fits[0].task, model.manifest.name)  # raises for a text model, which classifies only by labels
        wanted = " or ".join(sorted(fits[0].needs))
        raise JubakoError(Code.INVALID_VALUE, f"{wanted} is missing; send it to {fits[0].task}", param=wanted)
    if len(met) > 1:
        told = ", ".join(each.task for each in met)
        message = f"this may be asked to {told}; request some of the outputs, or say it in the parameter task"
        raise JubakoError(Code.INVALID_VALUE, message, param="task")
    return met[0]


def _labels(labels: int) -> tuple[Port, ...]:
    shape = (ANY, labels)
    return (
        Port("label", shape=shape),
        Port("name", shape=shape),
        Port("score", "FP32", shape),
        Port("assigned", "BOOL", shape),
    )


def _optional(names: Iterable[str]) -> tuple[Port, ...]:
    return tuple(Port(name, optional=True) for name in names)


ASKED = _optional(("user", "history", "attributes", "items", "record"))
RECOMMENDED = (
    Port("id"), Port("title"), Port("score", "FP32"), Port("reasons", optional=True), Port("strategy", shape=(1,)),
    Port("cold_start", "BOOL", (1,)), Port("unknown"),
)  # fmt: skip


def _able(core: Core, model: Served, able: list[Signature], task: object) -> list[Signature]:
    tasks = ", ".join(Task)
    if task not in list(Task):
        raise JubakoError(Code.INVALID_VALUE, f"unknown task {task!r}; there are {tasks}", param="task")
    asked = [each for each in able if each.task == task]
    if not asked:
        core.model_for(Task(str(task)), model.manifest.name)  # raises, naming the models that can
    return asked


def _refuse_unknown(model: Served, what: str, given: Iterable[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            told = ", ".join(sorted(known)) or "none"
            message = f"unknown {what} {name[:80]!r}; for {model.manifest.name} there are {told}"
            raise JubakoError(Code.INVALID_VALUE, message, param=name[:80])


def _refuse_twice(what: str, given: Sequence[str]) -> None:
    twice = next((name for place, name in enumerate(given) if name in given[:place]), None)
    if twice is not None:
        raise JubakoError(Code.INVALID_VALUE, f"the {what} {twice} is there twice; send it once", param=twice)


def _clash(model: Served, able: Iterable[Signature]) -> JubakoError:
    ways = "; ".join(
        f"to {each.task}, send {' or '.join(port.name for port in each.inputs)} for {_names(each.outputs)}"
        f" with {', '.join(sorted(each.options))}"
        for each in able
    )
    message = f"these inputs, outputs and parameters do not go together; {model.manifest.name} knows: {ways}"
    return JubakoError(Code.INVALID_VALUE, message)


def _names(ports: Iterable[Port]) -> str:
    return ", ".join(port.name for port in ports)
