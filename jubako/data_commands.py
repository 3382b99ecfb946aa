"""What the commands of `jubako data` do: call `training.data`, print what it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Column, Table

from jubako.console import console, told_plainly
from training.data.errors import DataError
from training.data.obtain import obtain
from training.data.sample import sample
from training.data.sample_interactions import SampleConfig, sample_interactions
from training.data.sample_works import sample_works
from training.data.source import InteractionSource, WorkSource
from training.data.sources import SOURCES, label_source_of, locate, source_of
from training.data.tables import Tables, write_ours
from training.data.undersample import count_labels, undersample

LABEL_COLUMNS = ("labels", "categories", "genres")


def print_sets() -> None:
    """Print the known data sets: rows, where they would come from, terms."""
    table = Table("name", "rows", Column("from", overflow="fold"), "terms", box=None)
    with told_plainly(DataError):
        for source in SOURCES.values():
            found = locate(source)
            origin = f"{found.path} ({found.how})" if found.path else f"{found.how}; `jubako data get {source.name}`"
            table.add_row(source.name, _rows(found.paths), origin, source.terms)
    console.print(table)


def write_sample(name: str, rows: int = 3000, seed: int = 0, out: Path | None = None) -> None:
    """Generate a sample, as Parquet at `out`, or print its first rows where there is no `out`.

    Interactions go into three files in the folder `out`.
    """
    with told_plainly(DataError):
        source = source_of(name)
        if rows < 1:
            raise DataError(f"--rows is a number of rows above 0, not {rows}")
        if isinstance(source, InteractionSource):
            _tell_tables(source, sample_interactions(name, _sample_config(rows, seed)), out)
        elif isinstance(source, WorkSource):
            _tell_rows(sample_works(rows, seed), out, _work_lines)
        else:
            body = label_source_of(name).body
            _tell_rows(sample(name, rows, seed), out, lambda row: (", ".join(row["labels"]), str(row[body])))


def get(name: str, origin: str | None = None) -> None:
    """Put a data set into the cache, from a path, a URL, JUBAKO_DATA_DIR or the public source, with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with told_plainly(DataError), Progress(*columns, console=console, transient=True) as bar:
        source = source_of(name)
        task = bar.add_task(source.name, total=None)
        path = obtain(source, origin, lambda done, total: bar.update(task, completed=done, total=total))
    console.print(f"{source.name} is in {path}\nterms: {source.terms}", soft_wrap=True)


def undersample_file(source: Path, out: Path, threshold: float | None = None, seed: int = 0) -> None:
    """Undersample a Parquet file whose labels are a list column called labels, categories or genres."""
    with told_plainly(DataError):
        try:
            frame = pl.read_parquet(source)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{source} cannot be read as Parquet: {error}") from error
        column = next((name for name in LABEL_COLUMNS if isinstance(frame.schema.get(name), pl.List)), None)
        if column is None:
            raise DataError(f"{source} has no list column called {', '.join(LABEL_COLUMNS)}")
        kept = undersample(frame, threshold, seed, column)
        _write(kept, out)
    before, after = count_labels(frame, column), count_labels(kept, column)
    table = Table("label", "before", "after", box=None)
    for label, rows in before.items():
        table.add_row(label, f"{rows:,}", f"{after.get(label, 0):,}")
    console.print(table)
    console.print(f"{frame.height:,} rows before, {kept.height:,} after, in {out}", soft_wrap=True)


def _write(frame: pl.DataFrame, out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(out, compression="zstd")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{out} cannot be written: {error}") from error


def _tell_rows(frame: pl.DataFrame, out: Path | None, lines: Callable[[dict[str, Any]], tuple[str, ...]]) -> None:
    """Write rows, or show the first ones: their titles, and the lines that follow from a row."""
    if out is not None:
        _write(frame, out)
        console.print(f"{frame.height:,} generated rows in {out}", soft_wrap=True)
        return
    console.print("GENERATED SAMPLE, for trying out only; its first rows (--out FILE.parquet keeps all of them)")
    for row in frame.head(3).iter_rows(named=True):
        first, *others = lines(row)
        console.print(f"\n[bold]{row['title']}[/bold]  {first}")
        for line in others:
            console.print(line, markup=False, soft_wrap=True)


def _tell_tables(source: InteractionSource, data: Tables, out: Path | None) -> None:
    """Write the three tables of interactions into a folder, or show their first rows."""
    if out is None:
        console.print("GENERATED SAMPLE, for trying out only; its first rows (--out FOLDER keeps all of them)")
        for frame in (data.meetings, data.books, data.people):
            console.print(str(frame.head(3)), markup=False)
        return
    try:
        paths = write_ours(data, source.name, out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error}") from error
    console.print(f"{data.meetings.height:,} generated interactions in {paths[0]}", soft_wrap=True)


def _sample_config(rows: int, seed: int) -> SampleConfig:
    try:
        return SampleConfig(rows=rows, seed=seed)
    except ValidationError as error:
        raise DataError(f"--rows of interactions is at least 200, not {rows}") from error


def _work_lines(row: dict[str, Any]) -> tuple[str, ...]:
    tags = row["tags"]
    return ", ".join(tags["fandom"]), ", ".join(tags["relationship"]), ", ".join(tags["freeform"])


def _rows(paths: tuple[Path, ...]) -> str:
    if not paths:
        return "any"
    if paths[0].suffix != ".parquet":
        return "not counted"
    return f"{pl.scan_parquet(paths[0]).select(pl.len()).collect().item():,}"
