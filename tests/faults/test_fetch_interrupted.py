"""The fetch stage killed, interrupted, or out of disk: nothing committed is fetched again."""

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from candidates_fixture import build_candidates
from command import ROOT, WEBPAIRS, killed_at_step, webpairs
from hostile_web import HostileWeb, pictures

RECIPE = """
name = "small"
[crawl]
private_networks = ["127.0.0.0/8"]
[fetch]
retries = 0
[image]
min_side_px = 64
size_px = 64
"""
N_IMAGES, ROWS = 20, 4


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


def committed(out: Path) -> list[str]:
    return sorted(path.stem for path in (out / "run/commits/fetch").glob("part-*.json"))


def tars(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("samples/*.tar"))}


def finish(web: HostileWeb, out: Path, recipe: Path, done: list[str]) -> None:
    """Run again; nothing of `done` is asked for, and nothing half-written is left."""
    web.paths.clear()
    webpairs("fetch", recipe, "--out", out, "-q").ok()
    again = {f"/{i}.jpg" for i in range(N_IMAGES) if f"part-{i // ROWS:05d}" in done}
    assert not again & set(web.paths)
    assert len(tars(out)) == N_IMAGES // ROWS
    assert not [path for path in (out / "run/tmp").rglob("*") if path.is_file()]


def built(web: HostileWeb, out: Path) -> Path:
    return build_candidates(out, [web.url(f"/{i}.jpg") for i in range(N_IMAGES)], ROWS)


def test_kill_9_between_any_two_durable_operations(tmp_path: Path, recipe: Path) -> None:
    with HostileWeb(pictures(N_IMAGES)) as web:
        whole = built(web, tmp_path / "whole")
        webpairs("fetch", recipe, "--out", whole, "-q").ok()
        for step in (0, 9, 18):
            out = built(web, tmp_path / f"killed-{step}")
            assert killed_at_step(step, "fetch", recipe, "--out", out, "-q"), step
            finish(web, out, recipe, committed(out))
            assert tars(out) == tars(whole)


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_cleanly(tmp_path: Path, recipe: Path, way: signal.Signals) -> None:
    with HostileWeb(pictures(N_IMAGES, 0.1)) as web:
        out = built(web, tmp_path / "out")
        process = subprocess.Popen(
            [*WEBPAIRS, "fetch", str(recipe), "--out", str(out), "-q"],
            stderr=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        while not committed(out):
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, way)  # the whole group, as Ctrl-C on a terminal does
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err.decode()
        assert b"Traceback" not in err, err.decode()
        done = committed(out)
        assert done
        assert sorted(path.stem for path in out.glob("samples/*.tar")) == done
        finish(web, out, recipe, done)


def test_a_full_disk_is_one_sentence(tmp_path: Path, recipe: Path) -> None:
    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    with HostileWeb(pictures(N_IMAGES)) as web:
        out = built(web, tmp_path / "out")
        ended = webpairs("fetch", recipe, "--out", out, before=small_files)
        assert ended.code == 2
        assert "the disk is full" in ended.sentence
        assert committed(out) == []
        finish(web, out, recipe, [])
