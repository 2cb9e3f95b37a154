"""The fetch stage under faults: each candidate has one outcome, nothing is fetched twice."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from candidates_fixture import build_candidates
from command import ROOT, WEBPAIRS, webpairs
from fetch_fixture import fetch_stage, samples
from hostile_web import HostileWeb, answer, pictures
from webpairs_core.records import Outcome

RECIPE = """
name = "small"
[crawl]
private_networks = ["127.0.0.0/8"]
site_files = []
[fetch]
retries = 3
per_host = 3
concurrency = 6
[image]
min_side_px = 1
max_aspect = 1000
size_px = 64
"""


QUIET = (
    "--set",
    "fetch.per_host=16",
    "--set",
    "fetch.concurrency=32",
    "--set",
    "fetch.warn_below=0",
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


def start(recipe: Path, out: Path) -> "subprocess.Popen[bytes]":
    command = [*WEBPAIRS, "fetch", str(recipe), "--out", str(out), "-q", "--workers", "2"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT)


def outcomes(out: Path) -> list[str]:
    found: list[str] = samples(out)["outcome"].to_pylist()
    return found


def images_asked(web: HostileWeb) -> Counter[str]:
    return Counter(path for path in web.paths if path != "/robots.txt")


def decoders(pid: int) -> list[int]:
    """The decoding processes of a fetch: its children by whatever thread, as their command says."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    children = [int(child) for some in lists for child in some.split()]
    commands = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    return [child for child, command in commands.items() if b"decode_worker" in command]


def wait_for(web: HostileWeb, n: int, process: "subprocess.Popen[bytes]") -> None:
    while len(images_asked(web)) < n:
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.005)


def wait_for_a_row(out: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until another image is decoded: the decoders are up again."""

    def n_bytes() -> int:
        return sum(path.stat().st_size for path in (out / "run" / "work").rglob("*.journal"))

    before = n_bytes()
    while n_bytes() <= before or not decoders(process.pid):
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.005)


def test_kill_9_in_the_middle_of_a_part_costs_what_was_in_flight(
    tmp_path: Path, recipe: Path
) -> None:
    n, in_hand = 40, 6
    with HostileWeb(pictures(n, 0.03)) as web:
        urls = [web.url(f"/{i}.jpg") for i in range(n)]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=n)
        for n_asked in (8, 17, 30):
            process = start(recipe, out)
            wait_for(web, n_asked, process)
            process.kill()
            process.communicate()
        webpairs("fetch", recipe, "--out", out, "-q").ok()
        asked = images_asked(web)
        whole = build_candidates(tmp_path / "whole", urls, rows_per_part=n)
        webpairs("fetch", recipe, "--out", whole, "-q").ok()
    assert set(asked) == {f"/{i}.jpg" for i in range(n)}
    assert sum(asked.values()) - n <= 3 * in_hand
    assert outcomes(out) == ["ok"] * n
    [tar], [undisturbed] = out.glob("samples/*.tar"), whole.glob("samples/*.tar")
    assert tar.read_bytes() == undisturbed.read_bytes()
    assert not list((out / "run" / "work").rglob("*.journal"))


def test_a_server_that_restarts_costs_nothing(tmp_path: Path, recipe: Path) -> None:
    routes = pictures(30, 0.03)
    with HostileWeb(routes) as web:
        urls = [web.url(f"/{i}.jpg") for i in range(30)]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=7)
        process = start(recipe, out)
        wait_for(web, 10, process)
    time.sleep(0.3)
    with HostileWeb(routes, port=web.port):
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    assert outcomes(out) == ["ok"] * 30


def test_decoders_that_are_killed_cost_their_images_only(tmp_path: Path, recipe: Path) -> None:
    n, n_kills = 60, 3
    with HostileWeb(pictures(n, 0.02)) as web:
        urls = [web.url(f"/{i}.jpg") for i in range(n)]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=n)
        process = start(recipe, out)
        for _ in range(n_kills):
            wait_for_a_row(out, process)
            os.kill(decoders(process.pid)[0], signal.SIGKILL)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    counts = Counter(outcomes(out))
    assert counts.total() == n
    assert set(counts) <= {"ok", "decoder_crashed"}
    assert counts["decoder_crashed"] <= 2 * n_kills


def test_a_clock_that_jumps_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(0)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + rng.choice((-1, 1)) * 86_400 * 400)
    with HostileWeb(pictures(20) | {"/3.jpg": answer(b"", "503 Busy")}) as web:
        urls = [web.url(f"/{i}.jpg") for i in range(20)]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=6)
        fetch_stage(out, retries=1)
        assert images_asked(web) == Counter({f"/{i}.jpg": 2 if i == 3 else 1 for i in range(20)})
    assert Counter(outcomes(out)) == {"ok": 19, "http_5xx": 1}


def test_every_hostile_file_costs_its_row_only(
    tmp_path: Path, recipe: Path, data_dir: Path
) -> None:
    files = sorted(path for path in (data_dir / "hostile").rglob("*") if path.is_file())
    routes = {f"/{i}": answer(path.read_bytes()) for i, path in enumerate(files)}
    with HostileWeb(routes) as web:
        urls = [web.url(f"/{i}") for i in range(len(files))]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=200)
        ended = webpairs("fetch", recipe, "--out", out, "-q", *QUIET).ok()
    assert ended.err == ""  # no library speaks on stderr
    counts = Counter(outcomes(out))
    assert counts.total() == len(files) > 1000
    assert set(counts) <= {
        Outcome.OK,
        Outcome.CORRUPT,
        Outcome.NOT_IMAGE,
        Outcome.TOO_MANY_PIXELS,
        Outcome.ASPECT_TOO_LONG,
    }
    assert counts[Outcome.OK] > 500
