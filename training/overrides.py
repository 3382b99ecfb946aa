"""Overrides of a recipe's values: `training.epochs=3`, and grids of them: `lr=1e-3,3e-4`."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from training.errors import TrainingError

ALIASES = {"lr": "training.learning_rate", "wd": "training.weight_decay", "batch": "training.batch_rows"}
"""Short keys of a grid; the last part of a key does as well, where it names one key only."""


def parse_override(text: str) -> tuple[str, Any]:
    """Split `key.sub=value`; the value is YAML.

    Raises:
        TrainingError: there is no key, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not all(key.strip().split(".")):
        raise TrainingError(f"{text!r} is not KEY=VALUE; for example training.epochs=3")
    return key.strip(), _parsed(value, text)


def parse_grid(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Read `key=value,value ...`, each value in YAML, into the values of each key.

    Raises:
        TrainingError: a text is not of that form, or a key or one of its values is given twice.
    """
    grid: dict[str, list[Any]] = {}
    for text in texts:
        key, values = parse_override(f"{text.partition('=')[0]}=[{text.partition('=')[2]}]" if "=" in text else text)
        if not values or key in grid or any(values.count(value) > 1 for value in values):
            raise TrainingError(f"{text!r}: give each key once, with values that differ: {key}=VALUE,VALUE")
        grid[key] = values
    return grid


def full_key(key: str, content: Mapping[str, Any]) -> str:
    """Return the dotted key that a short one stands for, in a recipe's content.

    Raises:
        TrainingError: no key, or more than one, ends like that.
    """
    key = ALIASES.get(key, key)
    known = list(_paths(content))
    if key in known:
        return key
    ending = [path for path in known if path.endswith(f".{key}")]
    if len(ending) == 1:
        return ending[0]
    wanted = f"one of {', '.join(ending)}" if ending else f"a key of the recipe: {', '.join(known)}"
    raise TrainingError(f"{key!r} is not clear; give {wanted}")


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `over`, mapping by mapping."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def put(content: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key, making the mappings on its way.

    Raises:
        TrainingError: a value stands where the key needs a mapping.
    """
    *way, last = key.split(".")
    for at, part in enumerate(way):
        below = content.get(part)
        if below is None:
            below = content[part] = {}
        if not isinstance(below, dict):
            raise TrainingError(
                f"unknown key {key!r}: {'.'.join(way[: at + 1])} is a value ({below!r}) and has no keys"
            )
        content = below
    content[last] = value


def _parsed(value: str, text: str) -> Any:
    try:
        return _numbers(yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise TrainingError(f"{text!r}: the value cannot be read ({error})") from error


def _numbers(value: Any) -> Any:
    """Turn what YAML 1.1 leaves as text, such as 1e-3, into the number that it is."""
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, str) and value[:1] in "+-.0123456789":
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _paths(content: Mapping[str, Any], path: str = "") -> list[str]:
    found = []
    for key, value in content.items():
        here = f"{path}.{key}" if path else key
        found.extend(_paths(value, here) if isinstance(value, Mapping) and value else [here])
    return found
