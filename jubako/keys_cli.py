"""`jubako keys`: API keys of a server, in a file that it reads."""

from pathlib import Path
from typing import Annotated

import typer

keys_app = typer.Typer(no_args_is_help=True, help="API keys: make, list and revoke them (docs/security.md).")

KeyFile = Annotated[
    Path, typer.Option("--file", envvar="JUBAKO_ACCESS__KEYS_FILE", help="The server's file of keys (TOML).")
]


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Whom the key is for; it stands in lists and messages.")],
    endpoints: Annotated[
        str, typer.Option(help="Of embed, classify, recommend, models, docs and metrics, with commas between.")
    ] = "embed,classify,recommend,models,docs",
    models: Annotated[str, typer.Option(help="Names of models with commas between; `*` and `?` are wildcards.")] = "*",
    requests_per_second: Annotated[float, typer.Option(help="0: as many as it likes.")] = 0,
    burst: Annotated[int, typer.Option(help="Requests at once after a pause; 0: those of one second.")] = 0,
    tokens_per_minute: Annotated[int, typer.Option(help="0: as many as it likes.")] = 0,
    tokens_per_day: Annotated[int, typer.Option(help="0: as many as it likes.")] = 0,
    expires: Annotated[str | None, typer.Option(help="After how long it is refused: 90d, 12h, 30m, 4w.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", envvar="JUBAKO_ACCESS__KEYS_FILE", help="Without one the record is printed."),
    ] = None,
) -> None:
    """Make a key and print it, this once."""
    from jubako.key_commands import Asked, create

    create(
        Asked(name, _listed(endpoints), _listed(models), requests_per_second, burst, tokens_per_minute, tokens_per_day,
              expires),
        file,
    )  # fmt: skip


@keys_app.command("list")
def list_keys(file: KeyFile) -> None:
    """List the keys of a file, without their secrets, which it does not hold."""
    from jubako.key_commands import print_keys

    print_keys(file)


@keys_app.command("revoke")
def revoke_key(which: Annotated[str, typer.Argument(help="Id or name of a key.")], file: KeyFile) -> None:
    """Take a key out of a file; servers that read it refuse the key within a second."""
    from jubako.key_commands import revoke

    revoke(which, file)


def _listed(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]
