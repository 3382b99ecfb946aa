"""Nested states (of optimisers, of random generators) as JSON and safetensors, so that loading runs no pickle."""

from typing import Any

from torch import Tensor

from training.errors import TrainingError

TENSOR, TUPLE, ITEMS = "$tensor", "$tuple", "$items"
"""Keys that mark, in the JSON, what JSON has no form for: tensors, tuples and dicts with keys that are not strings."""


def flatten(value: Any) -> tuple[Any, dict[str, Tensor]]:
    """Split a nesting of dicts, lists, tuples, numbers, strings and tensors into its JSON form and its tensors.

    Raises:
        TrainingError: there is something else in it.
    """
    tensors: dict[str, Tensor] = {}
    return _flatten(value, "", tensors), tensors


def unflatten(form: Any, tensors: dict[str, Tensor]) -> Any:
    """Put together what `flatten` took apart."""
    if isinstance(form, list):
        return [unflatten(item, tensors) for item in form]
    if not isinstance(form, dict):
        return form
    match form:
        case {"$tensor": str(name)}:
            return tensors[name]
        case {"$tuple": list(items)}:
            return tuple(unflatten(item, tensors) for item in items)
        case {"$items": list(pairs)}:
            return {key: unflatten(item, tensors) for key, item in pairs}
    return {key: unflatten(item, tensors) for key, item in form.items()}


def _flatten(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Tensor():
            tensors[path] = stored(value)
            return {TENSOR: path}
        case list() | tuple():
            items = [_flatten(item, f"{path}/{at}", tensors) for at, item in enumerate(value)]
            return {TUPLE: items} if isinstance(value, tuple) else items
        case dict():
            pairs = [(key, _flatten(item, f"{path}/{key}", tensors)) for key, item in value.items()]
            plain = all(isinstance(key, str) and not key.startswith("$") for key in value)
            return dict(pairs) if plain else {ITEMS: [list(pair) for pair in pairs]}
    raise TrainingError(f"a checkpoint cannot store {type(value).__name__} at {path or 'its root'}")


def stored(tensor: Tensor) -> Tensor:
    """Return the tensor as safetensors takes it: on the CPU, contiguous, its memory shared with no other."""
    return tensor.detach().to("cpu", copy=True).contiguous()
