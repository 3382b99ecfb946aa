"""Locust patches the standard library when it is imported, so it runs in a process of its own here."""

import asyncio
import csv
import sys
from pathlib import Path

from tests.loadtests.tiny_http import Reply, tiny_server

SHAPES = """
import loadtests.locustfile as users
kinds = [users.Singles, users.Batches, users.Classifying, users.Recommending, users.OpenAI, users.Mixed]
assert all(kind.weight > 0 and not kind.abstract for kind in kinds)
assert users.JubakoUser.abstract
assert [users.pause_s(value) for value in (None, "", "soon", "-1", "2", "1.5", "900")] == [None] * 4 + [2.0, 1.5, 30.0]
assert len(users.draw(16)) == 16 and all(6 <= len(text.split()) <= 180 for text in users.draw(64))
assert all(set(record) == {"title", "description"} for record in users.records())
from locust.argument_parser import get_parser
options = get_parser().parse_args([])
assert (options.num_users, options.spawn_rate, options.run_time) == (16, 8.0, 60), options
"""


async def run(*arguments: str, cwd: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_users_have_shapes_and_runs_have_bounds(repository: Path) -> None:
    code, output = await run("-c", SHAPES, cwd=repository)
    assert code == 0, output


async def load(repository: Path, folder: Path, reply: Reply, *users: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Run Locust against a tiny server that always answers so; return its exit status and its rows by name."""
    async with tiny_server(lambda number: reply) as server:
        command = ["-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "--csv", str(folder / "run")]
        bounds = ["--host", f"http://127.0.0.1:{server.port}", "-u", "2", "-t", "2s", "--only-summary"]
        code, output = await run(*command, *bounds, *users, cwd=repository)
    stats = folder / "run_stats.csv"
    assert stats.is_file(), output
    with stats.open() as file:
        return code, {row["Name"]: row for row in csv.DictReader(file)}


async def test_answers_are_counted_by_endpoint(repository: Path, tmp_path: Path) -> None:
    code, rows = await load(repository, tmp_path, Reply(), "Singles", "OpenAI")
    assert code == 0
    assert {"/embed", "/v1/embeddings"} <= set(rows)
    assert rows["Aggregated"]["Failure Count"] == "0"
    assert int(rows["/embed"]["Request Count"]) > 1


async def test_classifying_users_ask_for_labels(repository: Path, tmp_path: Path) -> None:
    code, rows = await load(repository, tmp_path, Reply(), "Classifying")
    assert code == 0
    assert int(rows["/classify"]["Request Count"]) > 1


async def test_recommending_users_send_histories(repository: Path, tmp_path: Path) -> None:
    code, rows = await load(repository, tmp_path, Reply(), "Recommending")
    assert code == 0
    assert int(rows["/recommend by history"]["Request Count"]) > 1
    assert int(rows["/recommend"]["Request Count"]) == 2  # each of the two users asks once which items there are


async def test_a_wait_that_is_told_is_honoured_and_counted_apart(repository: Path, tmp_path: Path) -> None:
    code, rows = await load(repository, tmp_path, Reply(status=429, retry_after="1"), "Singles")
    assert code == 0
    assert "/embed" not in rows
    told = rows["/embed, told to wait"]
    assert told["Failure Count"] == "0"
    assert 1 <= int(told["Request Count"]) <= 6  # two users, two seconds, a second's pause each time


async def test_refusals_without_a_time_are_failures(repository: Path, tmp_path: Path) -> None:
    code, rows = await load(repository, tmp_path, Reply(status=429), "Singles")
    assert code == 1
    assert rows["/embed"]["Failure Count"] == rows["/embed"]["Request Count"] != "0"
