"""`webpairs recheck` on a dataset made by the command line, after its web has changed its mind."""

import asyncio
import csv
import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from command import ROOT, WEBPAIRS, webpairs
from hostile_web import Answer, HostileWeb, Request, answer, picture, redirect
from webpairs_core.schema import SHARD, read_table

RECIPE = """
name = "again"
[crawl]
seeds = [{seeds}]
private_networks = ["127.0.0.0/8"]
retries = 0
timeout_s = 3
[fetch]
retries = 0
timeout_s = 3
[image]
min_side_px = 64
size_px = 64
[dedup]
near_duplicate_distance = -1
[shards]
samples_per_shard = 4
"""
NOAI = ("X-Robots-Tag: noai",)
NOT_FOUND = answer(b"", "404 Not Found")


def page(*images: str) -> Answer:
    said = "".join(f'<img src="{src}" alt="picture of {src}">' for src in images)
    html = f"<!doctype html><html lang=en><title>t</title>{said}</html>".encode()
    return answer(html, headers=("Content-Type: text/html",))


def image(seed: int, *headers: str) -> Answer:
    return answer(picture(120, 100, seed=seed), headers=headers)


class Made(NamedTuple):
    """A finished dataset, and its web, which is still up."""

    one: HostileWeb
    two: HostileWeb
    shards: Path


ONE = {f"/{i}.jpg": image(i) for i in range(6)} | {
    "/a.html": page(*(f"/{i}.jpg" for i in range(4))),
    "/b.html": page("/4.jpg", "/5.jpg"),
}
TWO = {f"/{i}.jpg": image(10 + i) for i in range(2)} | {"/c.html": page("/0.jpg", "/1.jpg")}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Six pictures on two pages of one host, two on a page of another."""
    folder = tmp_path_factory.mktemp("again")
    with HostileWeb({}, host="127.0.0.2") as one, HostileWeb({}, host="127.0.0.3") as two:
        one.routes, two.routes = ONE, TWO
        seeds = [one.url("/a.html"), one.url("/b.html"), two.url("/c.html")]
        recipe = folder / "again.toml"
        recipe.write_text(RECIPE.format(seeds=", ".join(f'"{seed}"' for seed in seeds)))
        for command in ("crawl", "filter", "fetch", "shard"):
            webpairs(command, recipe, "--out", folder / "out", "--workers", 1).ok()
        yield Made(one, two, folder / "out" / "shards")


@pytest.fixture
def made(dataset: Made) -> Made:
    """The dataset, with its web as it was when the dataset was made."""
    for web, routes in ((dataset.one, ONE), (dataset.two, TWO)):
        web.routes = dict(routes)
        web.paths.clear()
        web.methods.clear()
    return dataset


def contents(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def listed(path: Path) -> dict[str, tuple[str, str]]:
    """Reason and signals by the image's address."""
    with path.open(newline="") as file:
        return {row["url"]: (row["reason"], row["signals"]) for row in csv.DictReader(file)}


def recheck(shards: Path, *words: str | Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(webpairs("recheck", shards, "--json", *words).ok().out)
    return result


def test_nothing_changed(made: Made) -> None:
    result = recheck(made.shards)
    assert (result["samples"], result["fine"], result["must_go"]) == (8, 8, 0)
    assert result["made"] == str(made.shards.parent / "recheck.csv")
    assert listed(Path(result["made"])) == {}
    asked = list(zip(made.one.methods, made.one.paths, strict=True))
    assert asked.count(("HEAD", "/a.html")) == 1  # four samples are of this page
    assert {method for method, path in asked if path in ONE} == {"HEAD"}
    assert made.one.count("/robots.txt") == 1


def test_exactly_what_changed_is_listed(made: Made, tmp_path: Path) -> None:
    one, two, shards = made
    before = contents(shards)
    one.routes["/0.jpg"] = image(0, *NOAI)
    one.routes["/1.jpg"] = NOT_FOUND
    one.routes["/2.jpg"] = answer(b"", "503 Busy")
    one.routes["/b.html"] = answer(b"", headers=NOAI)
    two.routes["/robots.txt"] = answer(b"User-agent: *\nDisallow: /\n")
    done = webpairs("recheck", shards, "--out", tmp_path / "list.csv").ok()
    assert listed(tmp_path / "list.csv") == {
        one.url("/0.jpg"): ("opted_out", "x-robots-tag:noai@image"),
        one.url("/1.jpg"): ("gone", "http:404@image"),
        one.url("/4.jpg"): ("opted_out", "x-robots-tag:noai@page"),
        one.url("/5.jpg"): ("opted_out", "x-robots-tag:noai@page"),
        two.url("/0.jpg"): ("robots", "robots:disallow@image robots:disallow@page"),
        two.url("/1.jpg"): ("robots", "robots:disallow@image robots:disallow@page"),
    }
    assert contents(shards) == before
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]
    assert done.out.splitlines()[-1] == str(tmp_path / "list.csv")
    counts = {line.split()[0]: line.split()[1] for line in done.out.splitlines()[1:6]}
    assert counts == {"opted_out": "3", "robots": "2", "gone": "1", "unknown": "1", "fine": "1"}


async def hang_up(request: Request) -> None:
    request.reset()


def test_who_cannot_be_reached_has_not_said_no(made: Made, tmp_path: Path) -> None:
    made.one.routes["/robots.txt"] = answer(b"", "503 Busy")
    made.two.routes["/robots.txt"] = redirect("http://127.0.0.9:9/robots.txt")
    result = recheck(made.shards, "--out", tmp_path / "list.jsonl")
    assert (result["unknown"], result["must_go"]) == (8, 0)
    made.one.routes["/robots.txt"] = hang_up
    made.two.routes = dict.fromkeys(TWO, hang_up)
    result = recheck(made.shards, "--out", tmp_path / "list.jsonl")
    assert (result["unknown"], result["must_go"]) == (8, 0)
    assert (tmp_path / "list.jsonl").read_bytes() == b""


async def hang(request: Request) -> None:
    await asyncio.sleep(60)


def test_an_interrupted_recheck_goes_on(made: Made, tmp_path: Path) -> None:
    made.one.routes["/5.jpg"] = hang
    words = ["recheck", str(made.shards), "--out", str(tmp_path / "list.csv")]
    process = subprocess.Popen(
        [*WEBPAIRS, *words, "--set", "fetch.timeout_s=60"],
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    pages_and_images = {*ONE, *TWO}
    while len({*made.one.paths, *made.two.paths} & pages_and_images) < len(pages_and_images):
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)  # the last of the others is answered
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert not (tmp_path / "list.csv").exists()

    made.one.routes["/5.jpg"] = image(5, *NOAI)
    made.one.paths.clear()
    made.two.paths.clear()
    result = recheck(made.shards, "--out", tmp_path / "list.csv")
    assert (result["opted_out"], result["fine"]) == (1, 7)
    assert [path for path in made.one.paths if path in ONE] == ["/5.jpg"]
    assert made.two.paths == []


def test_the_policy_can_be_stricter_than_the_recipe(made: Made, tmp_path: Path) -> None:
    made.one.routes["/3.jpg"] = image(3, "X-Robots-Tag: noindex")
    made.two.routes["/robots.txt"] = answer(b"User-agent: GPTBot\nDisallow: /0.jpg\n")
    out = tmp_path / "list.parquet"
    assert recheck(made.shards, "--out", out)["opted_out"] == 1
    assert pq.read_table(out)["signals"].to_pylist() == ["robots:gptbot@image"]
    strict = recheck(made.shards, "--out", out, "--set", "crawl.optout=strict")
    assert strict["opted_out"] == 2
    found = pq.read_table(out)
    assert found.column_names == ["key", "url", "page_url", "shard", "reason", "signals"]
    sidecars = {row["key"]: row for row in sidecar_rows(made.shards)}
    for row in found.to_pylist():
        assert sidecars[row["key"]]["url"] == row["url"]
    report = recheck(made.shards, "--out", out, "--set", "crawl.optout=report")
    assert report["must_go"] == 0


def sidecar_rows(shards: Path) -> list[dict[str, Any]]:
    return [r for p in sorted(shards.glob("*.parquet")) for r in read_table(p, SHARD).to_pylist()]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--out", "list.txt"], "must end in .csv, .jsonl, .parquet"),
        (["--set", "crawl.optuot=strict"], "did you mean 'optout'"),
        (["--out", "SHARDS/list.csv"], "lies in the dataset"),
    ],
)
def test_wrong_words_are_one_sentence(made: Made, words: list[str], sentence: str) -> None:
    filled = (word.replace("SHARDS", str(made.shards)) for word in words)
    done = webpairs("recheck", made.shards, *filled)
    assert done.code == 2
    assert sentence in done.sentence


def test_a_folder_without_shards_is_one_sentence(tmp_path: Path) -> None:
    assert "holds no manifest.json" in webpairs("recheck", tmp_path).sentence
