"""The tools that fetch_against.py compares, each as a command with the same work: fetch the list,
keep the ratio, 256 px, sha256 of what was received, tar shards with a table beside them.
"""

import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import pyarrow.parquet as pq

from measure import cost_of
from webpairs_core.schema import SAMPLES, read_table
from whole_tree import TreeCost, tree_cost


class Work(msgspec.Struct, frozen=True):
    """What every tool is asked to do."""

    format: str = "jpg"
    quality: int = 95
    size_px: int = 256
    processes: int = 2
    rows_per_shard: int = 300
    in_flight: int = 64
    """webpairs: downloads at a time; img2dataset: threads, in all its processes together."""


class Tool(Protocol):
    """A command that turns a list of URLs into shards of pictures."""

    name: str

    def run(self, urls: Sequence[str], folder: Path, bundle: Path) -> tuple[TreeCost, int]:
        """Do the work into an empty `folder`; what it cost, and how many pictures it stored."""

    def stored(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        """The URL and the bytes of each stored picture."""


class Webpairs:
    """`webpairs fetch`. Candidates are made before the clock starts, by `crawl` and `filter`."""

    def __init__(self, python: str, work: Work) -> None:
        self.name = "webpairs"
        self._python = python
        self._work = work

    def run(self, urls: Sequence[str], folder: Path, bundle: Path) -> tuple[TreeCost, int]:
        """Measured from the start of `webpairs fetch` to its end."""
        folder.mkdir()
        rows = (json.dumps({"url": url, "text": f"picture {i}"}) for i, url in enumerate(urls))
        (folder / "urls.jsonl").write_text("\n".join(rows))
        (folder / "recipe.toml").write_text(self._recipe(folder))
        for command in ("crawl", "filter"):
            cost_of(command, folder / "recipe.toml", "--out", folder / "out")
        cost = self._stage("fetch", folder, bundle)
        [funnel] = json.loads(cost.printed)["stages"]["fetch"]["funnels"]
        return cost, funnel["kept"]

    def shard(self, folder: Path, bundle: Path) -> TreeCost:
        """The stage after it: the global shuffle, near duplicates, captions, manifest."""
        return self._stage("shard", folder, bundle)

    def _stage(self, command: str, folder: Path, bundle: Path) -> TreeCost:
        words = ["-m", "webpairs_pipeline.cli", command, str(folder / "recipe.toml")]
        words += ["--out", str(folder / "out"), "--workers", str(self._work.processes)]
        return tree_cost(self._python, *words, "--json", "-q", env={"SSL_CERT_FILE": str(bundle)})

    def _recipe(self, folder: Path) -> str:
        work = self._work
        return (
            'name = "bench"\n[crawl]\nprivate_networks = ["127.0.0.0/8"]\n[[crawl.tables]]\n'
            f'path = "{folder / "urls.jsonl"}"\ntext = "text"\n'
            f"[fetch]\nconcurrency = {work.in_flight}\nper_host = {work.in_flight}\n"
            f"rows_per_part = {work.rows_per_shard}\n"
            f"[image]\nmin_side_px = 1\nmax_aspect = 100\nsize_px = {work.size_px}\n"
            f'format = "{work.format}"\nquality = {work.quality}\n'
        )

    def stored(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        """By the place that the table names."""
        for part in sorted((folder / "out" / "samples").glob("*.parquet")):
            table = read_table(part, SAMPLES).select(["url", "tar", "offset", "length"])
            for row in table.to_pylist():
                if row["length"]:
                    with (folder / "out" / row["tar"]).open("rb") as tar:
                        tar.seek(row["offset"])
                        yield row["url"], tar.read(row["length"])


class Img2dataset:
    """img2dataset as it is installed beside the interpreter given, by its own command.

    Small pictures are not blown up (`resize_only_if_bigger`): webpairs never does that, and the
    pictures compared are to have equal sizes. Weights & Biases is off, as by default.
    """

    def __init__(self, python: Path, work: Work) -> None:
        self.name = f"img2dataset {python.parent.parent.name}"
        self._command = python.parent / "img2dataset"
        self._work = work
        if not self._command.exists():
            raise SystemExit(f"no img2dataset beside {python}: install it into that environment")

    def run(self, urls: Sequence[str], folder: Path, bundle: Path) -> tuple[TreeCost, int]:
        """Measured from the start of the command to its end."""
        folder.mkdir()
        (folder / "urls.txt").write_text("\n".join(urls))
        work = self._work
        options = {
            "url_list": folder / "urls.txt",
            "output_folder": folder / "out",
            "output_format": "webdataset",
            "resize_mode": "keep_ratio",
            "resize_only_if_bigger": True,
            "image_size": work.size_px,
            "encode_format": work.format,
            "encode_quality": work.quality,
            "processes_count": work.processes,
            "thread_count": max(1, work.in_flight // work.processes),
            "number_sample_per_shard": work.rows_per_shard,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        env = {"SSL_CERT_FILE": str(bundle), "NO_ALBUMENTATIONS_UPDATE": "1"}
        path = f"{self._command.parent}:{os.environ.get('PATH', '')}"
        cost = tree_cost(self._command, *words, env={**env, "PATH": path})
        tables = sorted((folder / "out").glob("*.parquet"))
        kept = sum(pq.read_table(path)["status"].to_pylist().count("success") for path in tables)
        return cost, kept

    def stored(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        """By the keys of the table."""
        for part in sorted((folder / "out").glob("*.parquet")):
            table = pq.read_table(part, columns=["key", "url"]).to_pydict()
            url_of = dict(zip(table["key"], table["url"], strict=True))
            with tarfile.open(part.with_suffix(".tar")) as tar:
                for member in tar:
                    key, _, ending = member.name.partition(".")
                    if ending == self._work.format:
                        file = tar.extractfile(member)
                        assert file is not None
                        yield url_of[key], file.read()
