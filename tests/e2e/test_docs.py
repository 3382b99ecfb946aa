"""The pages of docs/ about protocols and clients: every snippet runs against a real server, from top to bottom."""

import pytest

from tests.e2e.server import Server
from tests.e2e.snippets import ROOT, blocks, curl_blocks, links, run_python, run_shell

PAGES = {name: ROOT / "docs" / f"{name}.md" for name in ("client", "grpc", "http", "open-inference")}


@pytest.mark.parametrize("name", PAGES)
def test_the_python_of_a_page_runs_from_top_to_bottom(named_server: Server, name: str) -> None:
    snippets = blocks(PAGES[name], "python")
    assert snippets or name == "http"
    assert not snippets or run_python(named_server, snippets)


@pytest.mark.parametrize("name", PAGES)
def test_the_curl_lines_of_a_page_are_answered(named_server: Server, name: str) -> None:
    shown = curl_blocks(PAGES[name])
    assert shown or name in ("client", "grpc")
    for block in shown:
        assert run_shell(named_server, block)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_somewhere(name: str) -> None:
    for link in links(PAGES[name]):
        assert (PAGES[name].parent / link).exists(), link
