"""Recipes are read strictly, and what is wrong in them is told by its key."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.training.toy import ToyConfig, write_toy
from training.errors import TrainingError
from training.overrides import full_key, merge, parse_grid, parse_override, put
from training.recipes import read_recipe
from training.train import default_run_name


def test_values_come_from_file_then_dev_section_then_overrides(toy: Path) -> None:
    write_toy(toy.parent, dev={"training": {"epochs": 1, "batch_rows": 4}, "data": {"rows": 20}})
    plain = read_recipe(toy)
    dev = read_recipe(toy, ["training.batch_rows=16"], dev=True)
    assert isinstance(dev, ToyConfig)
    assert (plain.training.epochs, plain.training.batch_rows) == (3, 8)
    assert (dev.training.epochs, dev.training.batch_rows, dev.data.rows) == (1, 16, 20)
    assert dev.training.learning_rate == plain.training.learning_rate
    assert default_run_name(dev, dev=True) != default_run_name(plain, dev=False)


def test_a_resolved_recipe_reads_as_itself(toy: Path) -> None:
    config = read_recipe(toy, ["sizes=[3, 2]"])
    (toy.parent / "resolved.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    assert read_recipe(toy.parent / "resolved.yaml") == config


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("training.learning_rte=1", "unknown key 'training.learning_rte'; did you mean 'learning_rate'?.*batch_rows"),
        ("training.early_stopping.metrics=f1", "'training.early_stopping.metrics'; did you mean 'metric'.*patience"),
        ("speed=3", "unknown key 'speed'; .*there are: data, explode_at, family"),
        ("training.epochs=many", "training.epochs: .*valid integer.*'many'"),
        ("training.epochs=0", "training.epochs: .*greater than or equal to 1"),
        ("training.schedule=square", "training.schedule: .*'cosine'"),
        ("training.epochs.more=1", "training.epochs is a value"),
        ("sizes=[1, x]", r"sizes\.1: .*valid integer"),
        ("data.rows", "KEY=VALUE"),
        ("=3", "KEY=VALUE"),
        ("training.=3", "KEY=VALUE"),
        ("sizes=[1", "cannot be read"),
        ("family=tree", "unknown family 'tree'; families: .*toy"),
    ],
)
def test_a_wrong_override_is_told_by_its_key(toy: Path, override: str, told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        read_recipe(toy, [override])


def test_an_unknown_recipe_is_told_with_those_there_are() -> None:
    with pytest.raises(TrainingError, match=r"no recipe 'bookz'; recipes: .*or give the path"):
        read_recipe("bookz")


def test_a_file_that_is_no_recipe_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    for content, told in (("name: text", "no `family`"), ("- a", "no keys"), ("a: [", "cannot be read")):
        path.write_text(content)
        with pytest.raises(TrainingError, match=told):
            read_recipe(path)
    with pytest.raises(TrainingError, match="cannot be read"):
        read_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("-3E5", -3e5),
        ("3", 3),
        ("[1e-3, a]", [1e-3, "a"]),
        ("true", True),
        ("null", None),
        ("1.2.3", "1.2.3"),
    ],
)
def test_values_of_overrides_are_yaml_with_the_numbers_people_write(text: str, value: object) -> None:
    assert parse_override(f"a.b={text}") == ("a.b", value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_survives_an_override(value: float) -> None:
    assert parse_override(f"a={value!r}") == ("a", value)


def test_a_grid_lists_the_values_of_each_key() -> None:
    assert parse_grid(["lr=1e-3,3e-4", "sizes=[1, 2],[3]", "mode=max"]) == {
        "lr": [1e-3, 3e-4], "sizes": [[1, 2], [3]], "mode": ["max"],
    }  # fmt: skip
    for wrong in (["lr=1,1"], ["lr=1", "lr=2"], ["lr="], ["lr"]):
        with pytest.raises(TrainingError):
            parse_grid(wrong)


def test_short_keys_stand_for_the_one_key_that_ends_like_them() -> None:
    content = {"training": {"learning_rate": 1, "seed": 2}, "data": {"seed": 3, "rows": 4}, "rows": 5}
    assert full_key("lr", content) == "training.learning_rate"
    assert full_key("training.seed", content) == "training.seed"
    assert full_key("rows", content) == "rows"  # itself a key
    with pytest.raises(TrainingError, match=r"one of training\.seed, data\.seed"):
        full_key("seed", content)
    with pytest.raises(TrainingError, match="a key of the recipe"):
        full_key("depth", content)


def test_putting_and_merging_leave_other_keys_alone() -> None:
    content = {"a": {"b": 1, "c": 2}}
    put(content, "a.b", 3)
    put(content, "d.e", 4)
    assert content == {"a": {"b": 3, "c": 2}, "d": {"e": 4}}
    assert merge(content, {"a": {"c": 5}, "d": 6}) == {"a": {"b": 3, "c": 5}, "d": 6}
