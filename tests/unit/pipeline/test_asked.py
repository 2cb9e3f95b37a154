"""The notes of a recheck: each address once, kept through a kill, forgotten when they are old."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from webpairs_core.errors import StorageError
from webpairs_crawler.images.recheck import Checked, Verdict
from webpairs_pipeline.asked import Address, Asked

ADDRESSES: list[Address] = [
    ("http://a/1", "image"),
    ("http://a/", "page"),
    ("http://a/1", "image"),
    ("http://a/1", "page"),
    ("http://a/2", "image"),
]
EACH = [ADDRESSES[0], ADDRESSES[1], ADDRESSES[3], ADDRESSES[4]]


def interrupt(path: Path, found: list[tuple[Address, Checked]]) -> None:
    """Ctrl-C when this much was found."""
    with suppress(KeyboardInterrupt), Asked(path, "d", is_fresh=False) as asked:
        asked.write_down(ADDRESSES)
        asked.keep(found)
        raise KeyboardInterrupt


def test_each_address_is_asked_once(tmp_path: Path) -> None:
    with Asked(tmp_path / "notes", "d", is_fresh=False) as asked:
        asked.write_down(ADDRESSES)
        assert list(asked.left()) == EACH
        found = Checked(Verdict.OPTED_OUT, ("robots:gptbot@page", "tdmrep:1@page"))
        asked.keep([(EACH[1], found), (EACH[0], Checked(Verdict.FINE))])
        assert asked.of(EACH[1]) == found
        assert asked.of(EACH[0]) == Checked(Verdict.FINE)
        assert list(asked.left()) == EACH[2:]
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_recheck_goes_on(tmp_path: Path) -> None:
    interrupt(
        tmp_path / "notes",
        [(EACH[0], Checked(Verdict.FINE)), (EACH[1], Checked(Verdict.UNKNOWN))],
    )
    with Asked(tmp_path / "notes", "d", is_fresh=False) as asked:
        assert not asked.is_new
        assert list(asked.left()) == EACH[1:]  # who gave no answer is asked again
        assert asked.n_left() == 3


@pytest.mark.parametrize("why", ["other dataset", "fresh", "old"])
def test_notes_that_do_not_count(tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(tmp_path / "n", [])
    if why == "old":
        monkeypatch.setattr("webpairs_pipeline.asked.LIFE_S", -1.0)
    digest = "e" if why == "other dataset" else "d"
    with Asked(tmp_path / "n", digest, is_fresh=why == "fresh") as asked:
        assert asked.is_new
        assert asked.n_left() == 0


_DYING = """
import os, signal, sys
from pathlib import Path
from webpairs_pipeline.asked import Asked

def addresses():
    yield from ((f"http://a/{i}", "page") for i in range(5000))
    os.kill(os.getpid(), signal.SIGKILL)

with Asked(Path(sys.argv[1]), "d", is_fresh=False) as asked:
    asked.write_down(addresses())
"""


def test_a_kill_while_the_addresses_are_written(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    done = subprocess.run([sys.executable, "-c", _DYING, path], check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    with Asked(path, "d", is_fresh=False) as asked:
        assert asked.is_new
        assert asked.n_left() == 0


def test_a_file_that_is_no_notes_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_bytes(b"somebody's own file " * 99)
    with pytest.raises(StorageError, match="delete that file"):
        Asked(path, "d", is_fresh=False).__enter__()
    assert path.read_bytes().startswith(b"somebody")
