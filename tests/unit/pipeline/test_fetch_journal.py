"""The journal of a part: whatever a crash leaves, each whole record is found, and nothing else."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_core.records import Outcome
from webpairs_crawler.images.answers import Fetched, Timing
from webpairs_pipeline.fetch.journal import Journal, Row
from webpairs_shards.image.processed import Processed, Rights


def row(place: int) -> Row:
    return Row(
        place=place,
        fetched=Fetched(
            outcome=Outcome.OK, final_url=f"http://a/{place}", timing=Timing(1, 2, 3, 4)
        ),
        processed=Processed(
            outcome=Outcome.OK, phash=2**64 - 1, rights=Rights(creator="Ana", signals=("a:b@c",))
        ),
        n_bytes=place,
        sha256="ab" * 32,
    )


def done(path: Path) -> set[int]:
    journal = Journal(path)
    journal.close()
    return journal.done


def test_what_is_appended_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "work" / "part-00000.journal"
    journal = Journal(path)
    for place in (3, 0, 7):
        journal.append(row(place), b"picture %d" % place)
    journal.sync()
    journal.close()
    again = Journal(path)
    assert again.done == {0, 3, 7}
    assert again.records() == {p: (row(p), b"picture %d" % p) for p in (0, 3, 7)}
    again.append(row(1), b"")
    assert again.records()[1] == (row(1), b"")
    again.remove()
    assert not path.exists()
    again.sync()  # one that was due just then does nothing


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_torn_end_costs_the_torn_record_only(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("torn") / "j"
    journal, ends = Journal(path), [0]
    for place in range(4):
        journal.append(row(place), bytes([place]) * data.draw(st.integers(0, 50)))
        ends.append(path.stat().st_size)
    journal.close()
    cut = data.draw(st.integers(0, ends[-1]))
    whole = path.read_bytes()
    tail = data.draw(st.sampled_from([b"", b"\0" * 30, b"\xff" * 9]))
    path.write_bytes(whole[:cut] + tail)
    n_whole = sum(end <= cut for end in ends) - 1
    again = Journal(path)
    assert again.done == set(range(n_whole))
    assert path.stat().st_size == ends[n_whole]
    again.append(row(9), b"new")
    again.close()
    assert done(path) == {*range(n_whole), 9}


def test_a_flipped_bit_ends_it_there(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    journal.append(row(0), b"one")
    end = path.stat().st_size
    journal.append(row(1), b"two")
    journal.close()
    data = bytearray(path.read_bytes())
    data[end + 20] ^= 1
    path.write_bytes(data)
    assert done(path) == {0}


def test_a_write_that_takes_a_part_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)

    class Slow:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            n: int = self.file.write(data[:7])
            return n

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    journal._file = Slow(journal._file)  # type: ignore[assignment]
    journal.append(row(3), b"picture")
    journal.close()
    assert done(path) == {3}


def test_sync_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    journal = Journal(tmp_path / "j")
    journal.append(row(0), b"")
    journal.sync()
    number = journal._file.fileno()
    journal.close()
    assert synced == [number]
