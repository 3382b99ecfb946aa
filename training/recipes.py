"""Recipes by name: a YAML file of configs/, its overrides, and the family that reads it."""

import difflib
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from training.config import RecipeConfig
from training.errors import TrainingError
from training.overrides import merge, parse_override, put
from training.recipe import Recipe

CONFIGS = Path(__file__).parent.parent / "configs"

FAMILIES = {
    "classifier": "training.classifier:ClassifierRecipe",
    "sparse_fields": "training.works:SparseFieldsRecipe",
    "two_tower": "training.two_tower:TwoTowerRecipe",
}
"""For each family its recipe, imported when it is first asked for."""


def recipe_class(family: str) -> type[Recipe[Any]]:
    """Import a family's recipe.

    Raises:
        TrainingError: there is no such family.
    """
    if family not in FAMILIES:
        raise TrainingError(f"unknown family {family!r}; families: {', '.join(sorted(FAMILIES))}")
    module, name = FAMILIES[family].split(":")
    found: type[Recipe[Any]] = getattr(importlib.import_module(module), name)
    return found


def make_recipe(config: RecipeConfig) -> Recipe[Any]:
    """Return the recipe of a configuration's family."""
    return recipe_class(config.family)(config)


def read_recipe(name_or_path: str | Path, overrides: Sequence[str] = (), *, dev: bool = False) -> RecipeConfig:
    """Read configs/NAME.yaml, or a file by its path, as its family's configuration.

    Values come from the file, then (with `dev`) from its `dev:` section, which makes the whole path take under a
    minute, then from `overrides`, each `key.sub=value` with the value in YAML.

    Raises:
        TrainingError: the file is missing or malformed, a key is unknown or a value of the wrong type; the message
            names the key and what there is instead.
    """
    path = _path_of(name_or_path)
    content = _read(path)
    for_dev = content.pop("dev", None) or {}
    if "family" not in content:
        raise TrainingError(
            f"{path} has no `family`: it does not say how to train; recipes: {', '.join(recipe_names())}"
        )
    if dev:
        content = merge(content, for_dev)
    for override in overrides:
        put(content, *parse_override(override))
    config_class = recipe_class(str(content["family"])).config_class
    try:
        return config_class.model_validate(content)
    except ValidationError as error:
        raise TrainingError(f"{path}: {'; '.join(_told(config_class, error))}") from error


def recipe_names() -> list[str]:
    """Return the names of the recipes in configs/."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml") if "family" in _read(path))


def _path_of(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        return path
    named = CONFIGS / f"{name_or_path}.yaml"
    if not named.is_file():
        raise TrainingError(
            f"no recipe {str(name_or_path)!r}; recipes: {', '.join(recipe_names()) or 'none'}; "
            "or give the path of a .yaml file"
        )
    return named


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise TrainingError(f"{path} cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise TrainingError(f"{path} holds no keys and values")
    return content


def _told(config_class: type[BaseModel], error: ValidationError) -> Iterator[str]:
    """Yield one sentence for each key that is wrong."""
    for wrong in error.errors(include_url=False):
        where = ".".join(str(part) for part in wrong["loc"])
        if wrong["type"] != "extra_forbidden":
            yield f"{where or 'recipe'}: {wrong['msg']}, got {wrong['input']!r}"
            continue
        known = sorted(_keys(config_class, wrong["loc"][:-1]))
        close = difflib.get_close_matches(str(wrong["loc"][-1]), known, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        yield f"unknown key {where!r}; {hint}there are: {', '.join(known)}"


def _keys(model: type[BaseModel], place: Sequence[int | str]) -> set[str]:
    """Return the keys that exist at a place in a configuration; a part that is no field is a tag or a list's index."""
    models = [model]
    for part in place:
        deeper = [inner for each in models if part in each.model_fields for inner in _models_of(each, str(part))]
        models = deeper or models
    return {key for each in models for key in each.model_fields}


def _models_of(model: type[BaseModel], field: str) -> Iterator[type[BaseModel]]:
    pending = [model.model_fields[field].annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
            yield annotation
        pending.extend(get_args(annotation))
