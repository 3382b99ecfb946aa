"""The settings page of docs/, generated from the tree of settings."""

from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from serving.settings import Settings

HEAD = """# Settings

Every setting of the server. Later sources win: defaults, then `jubako.toml` in the working directory (or the file that
`JUBAKO_SETTINGS_FILE` names), then the environment. This page is generated: `jubako settings --markdown`.

| variable | default | meaning |
|---|---|---|
"""


def render() -> str:
    """Return the page as Markdown."""
    return HEAD + "".join(f"| `{name}` | `{default}` | {text} |\n" for name, default, text in rows(Settings))


def rows(model: type[BaseModel], prefix: str = "JUBAKO_") -> Iterator[tuple[str, str, str]]:
    """Yield variable, default and meaning of every setting, depth first."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from rows(field.annotation, f"{prefix}{name.upper()}__")
        else:
            yield prefix + name.upper(), _default(field), " ".join((field.description or "").split())


def _default(field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, list):
        return "[" + ", ".join(f'"{item}"' for item in default) + "]"
    return "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
