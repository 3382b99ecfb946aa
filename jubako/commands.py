"""What the commands do: call a room, print what it says."""

import sys
from pathlib import Path

from rich.table import Table

from bundle.bundle import Bundle
from bundle.errors import BundleError
from bundle.store import bundles, find
from jubako.console import console, told_plainly


def print_models() -> None:
    """Print the stored bundles as a table."""
    table = Table("bundle", "family", "tasks", "output", "graphs", "source", "trained on", box=None)
    for bundle in bundles():
        manifest = bundle.manifest
        graphs = " ".join(graph.precision for graph in manifest.graphs)
        trained_on = manifest.training_data.description if manifest.training_data else ""
        table.add_row(
            bundle.tag, manifest.family, " ".join(manifest.tasks), _output(bundle), graphs, manifest.provenance.source,
            trained_on,
        )  # fmt: skip
    console.print(table)


def print_model(tag: str) -> None:
    """Print what a bundle says about itself."""
    with told_plainly(BundleError):
        bundle = _open(tag)
    manifest = bundle.manifest
    console.print(f"[bold]{bundle.tag}[/bold]  {manifest.family}  {bundle.root}", soft_wrap=True)
    console.print(f"weights    {manifest.provenance.source} ({manifest.provenance.licence or 'licence not stated'})")
    if manifest.training_data is not None:
        console.print(f"trained    on {manifest.training_data.description}", soft_wrap=True)
    console.print(f"output     {_output(bundle)}")
    console.print(
        f"input      {manifest.record}, {manifest.max_tokens} tokens, prompts {sorted(manifest.prompts) or 'none'}"
    )
    for metric in manifest.metrics:
        console.print(f"measured   {metric.name} {metric.value:.4f}: {metric.protocol}", soft_wrap=True)
    table = Table("graph", "MiB", "min cosine", "invariance", "metric", "drop", box=None)
    for graph in manifest.graphs:
        table.add_row(
            graph.file,
            f"{manifest.files[graph.file].bytes / 2**20:.1f}",
            f"{graph.parity.min_cosine:.5f}",
            f"{graph.batch_invariance:.5f}",
            f"{graph.metric.name} {graph.metric.value:.4f}",
            f"{graph.metric_drop:+.2%}",
        )
    console.print(table)
    for dropped in manifest.dropped:
        console.print(f"dropped    {dropped.precision}: {dropped.reason}", soft_wrap=True)


def verify(tag: str) -> None:
    """Hash every file and run the golden vectors on the graph that would be served here."""
    from serving.loading import sound_engines
    from serving.settings import Engine

    with told_plainly(BundleError):
        bundle = _open(tag)
        bundle.verify()
        graphs = " and ".join(engine.graph.file for engine in sound_engines(bundle, Engine()))
        files = len(bundle.manifest.files)
        console.print(f"{bundle.tag}: {files} files unaltered, golden vectors hold on {graphs}")


def print_settings(markdown: bool) -> None:
    """Print the tree of settings."""
    from serving.settings_page import render

    if markdown:
        sys.stdout.write(render())
        return
    from rich.markdown import Markdown

    console.print(Markdown(render()))


def _output(bundle: Bundle) -> str:
    manifest = bundle.manifest
    if manifest.dimensions is None:
        return f"{len(bundle.labels.labels)} labels"
    length = "unit length" if manifest.normalized else "any length"
    return f"{manifest.dimensions} dimensions, {length}, {manifest.pooling} pooling"


def _open(tag: str) -> Bundle:
    return Bundle.open(Path(tag)) if Path(tag).is_dir() else find(tag)
