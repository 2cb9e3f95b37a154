"""kill -9 of any stage at any moment, then the same command: the same shards, byte for byte."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from command import Word, killed_at_step, killed_when, webpairs

RECIPE = """
name = "small"
[serve]
web = "demo"
pages = 24
port = {port}
[crawl]
private_networks = ["127.0.0.0/8"]
timeout_s = 2
retries = 0
pages_per_part = 5
[[filters]]
use = "text_length"
[[filters]]
use = "url_junk"
[fetch]
timeout_s = 2
rows_per_part = 25
[image]
min_side_px = 64
size_px = 64
[shards]
samples_per_shard = 15
[train]
model = "webpairs-nano"
batch_size = 16
epochs = 2
warmup_steps = 2
checkpoint_every_s = 0.01
threads = 1
"""
COMMANDS = ("crawl", "filter", "fetch", "shard", "train")
IN_ONE_PROCESS = ("filter", "shard", "train")
"""Stages whose every durable operation happens in the command's own process when --workers is 1."""


class Reference:
    """An undisturbed run, with a copy of its OUT before each command."""

    def __init__(self, folder: Path, port: int) -> None:
        self.recipe = folder / "small.toml"
        self.recipe.write_text(RECIPE.format(port=port))
        self.before: dict[str, Path] = {}
        out = folder / "out"
        out.mkdir()
        for command in COMMANDS:
            self.before[command] = folder / f"before-{command}"
            shutil.copytree(out, self.before[command])
            webpairs(command, self.recipe, "--out", out, "--workers", 2, "-q").ok()
        self.shards = shard_digests(out)
        self.losses = losses(out)

    def finish(self, out: Path, command: str) -> None:
        """Run `command` again and what follows, up to the shards; compare with the reference."""
        for later in COMMANDS[COMMANDS.index(command) :]:
            if later != "train" or command == "train":
                webpairs(later, self.recipe, "--out", out, "-q").ok()
        assert shard_digests(out) == self.shards
        if command == "train":
            assert losses(out) == self.losses
        assert not list((out / "run/tmp").rglob("*.*"))


def shard_digests(out: Path) -> dict[str, str]:
    manifest = msgspec.json.decode((out / "shards/manifest.json").read_bytes())
    return {shard["name"]: shard["sha256"] for shard in manifest["shards"]}


def losses(out: Path) -> list[float]:
    lines = (out / "models/small/metrics.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line)["loss"] for line in lines]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    with socket.socket() as sock:
        sock.bind(("0.0.0.0", 0))
        port = sock.getsockname()[1]
    return Reference(tmp_path_factory.mktemp("reference"), port)


@pytest.mark.parametrize("command", IN_ONE_PROCESS)
def test_kill_between_durable_operations(
    reference: Reference, tmp_path: Path, command: str
) -> None:
    """Kill before the 1st, 4th, 9th … durable operation of one and the same OUT, then finish."""
    out = tmp_path / "out"
    shutil.copytree(reference.before[command], out)
    words: list[Word] = [command, reference.recipe, "--out", out, "--workers", 1, "-q"]
    kills = 0
    for step in (0, 3, 8, 15, 25):
        if not killed_at_step(step, *words):
            break
        kills += 1
    assert kills >= 3
    reference.finish(out, command)


@pytest.mark.parametrize("command", ["crawl", "fetch"])
def test_kill_as_units_are_committed(reference: Reference, tmp_path: Path, command: str) -> None:
    """Kill when the first, then the second part has just been committed, and once before any."""
    out = tmp_path / "out"
    shutil.copytree(reference.before[command], out)
    words: list[Word] = [command, reference.recipe, "--out", out, "--workers", 2, "-q"]
    commits = out / "run/commits" / command
    scratch = out / "run/tmp" / command

    def committed(n: int) -> Callable[[], bool]:
        return lambda: len(list(commits.glob("*.json"))) >= n

    assert killed_when(scratch.exists, *words)
    assert killed_when(committed(1), *words)
    first = {path.name: path.read_bytes() for path in commits.glob("*.json")}
    assert killed_when(committed(len(first) + 1), *words)
    reference.finish(out, command)
    for name, record in first.items():
        assert (commits / name).read_bytes() == record, f"{name} was made twice"


def test_any_number_of_workers_makes_the_same_shards(reference: Reference, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(reference.before["filter"], out)
    for command in ("filter", "fetch", "shard"):
        webpairs(command, reference.recipe, "--out", out, "--workers", 1, "-q").ok()
    assert shard_digests(out) == reference.shards


def test_a_finished_run_does_nothing_again(reference: Reference, tmp_path: Path) -> None:
    """No file changes its time of change, no server is needed."""
    out = reference.recipe.parent / "out"
    made = [p for p in out.rglob("*") if p.is_file() and "run" not in p.relative_to(out).parts[:1]]
    before = {path: path.stat().st_mtime_ns for path in made}
    with socket.socket() as sock:  # taken: a stage that started its web would fail
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.2", int(reference.recipe.read_text().split("port = ")[1].split()[0])))
        sock.listen()
        for command in COMMANDS:
            webpairs(command, reference.recipe, "--out", out, "-q").ok()
    assert {path: path.stat().st_mtime_ns for path in made} == before
