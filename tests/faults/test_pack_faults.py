"""`webpairs pack` killed, on a full disk, with sources that are not what they should be."""

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from command import Finished, Word, killed_at_step, killed_when, webpairs
from pack_files import image_folder, img2dataset_members, write_tar
from webpairs_core.files import file_sha256

WORDS: list[Word] = ["--set", "fetch.rows_per_part=7", "--set", "shards.samples_per_shard=9"]
WORDS += ["--set", "shards.validation=0.2", "--set", "name=same", "-q"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sources")
    tars = [range(i * 12, i * 12 + 12) for i in range(2)]
    for i, numbers in enumerate(tars):
        write_tar(folder / f"tars/{i:05d}.tar", img2dataset_members(numbers))
    return [folder / "tars", image_folder(folder / "images", 20)]


@pytest.fixture(scope="module")
def whole(sources: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("whole")
    webpairs("pack", *sources, "--out", out, *WORDS, "--workers", 2).ok()
    return _digests(out)


def _digests(out: Path) -> dict[str, str]:
    files = [path for name in ("shards", "validation") for path in (out / name).iterdir()]
    return {str(path.relative_to(out)): file_sha256(path) for path in files}


def _nothing_half_written(out: Path) -> None:
    assert not [path for path in (out / "run/tmp").rglob("*") if path.is_file()]
    named = "".join(path.read_text() for path in (out / "run/commits").rglob("*.json"))
    for folder in ("samples", "plan", "rejects", "shards", "validation"):
        for path in (out / folder).rglob("*"):
            assert path.is_dir() or str(path.relative_to(out)) in named


def test_kill_between_durable_operations(
    sources: list[Path], whole: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words: list[Word] = ["pack", *sources, "--out", out, *WORDS, "--workers", 1]
    kills = sum(killed_at_step(step, *words) for step in (0, 3, 9, 20, 33, 47))
    assert kills >= 5
    webpairs(*words).ok()
    assert _digests(out) == whole
    _nothing_half_written(out)


def test_kill_in_mid_pack_loses_no_finished_part(
    sources: list[Path], whole: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words: list[Word] = ["pack", *sources, "--out", out, *WORDS, "--workers", 2]
    commits = out / "run/commits/fetch"

    def committed(n: int) -> Callable[[], bool]:
        return lambda: len(list(commits.glob("part-*.json"))) >= n

    assert killed_when(committed(2), *words)
    first = {path.name: path.read_bytes() for path in commits.glob("*.json")}
    webpairs(*words).ok()
    assert _digests(out) == whole
    for name, record in first.items():
        assert (commits / name).read_bytes() == record, f"{name} was made twice"


def test_a_lost_part_is_made_again(
    sources: list[Path], whole: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words: list[Word] = ["pack", *sources, "--out", out, *WORDS, "--workers", 1]
    webpairs(*words).ok()
    kept = (out / "samples/part-000000-00000.tar").stat().st_ino
    (out / "samples/part-000000-00001.tar").unlink()
    webpairs(*words).ok()
    assert _digests(out) == whole
    assert (out / "samples/part-000000-00000.tar").stat().st_ino == kept


def test_a_full_disk(sources: list[Path], whole: dict[str, str], tmp_path: Path) -> None:
    """A file-size limit stands for a full disk: the same refusal at the same system calls."""
    out = tmp_path / "out"
    words: list[Word] = ["pack", *sources, "--out", out, *WORDS]
    done = webpairs(
        *words, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))
    )
    assert done.code == 2
    assert "disk is full" in done.sentence
    _nothing_half_written(out)
    webpairs(*words).ok()
    assert _digests(out) == whole


def test_a_source_that_changes_is_packed_anew(sources: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    shutil.copytree(sources[1], folder)
    out = tmp_path / "out"
    webpairs("pack", folder, "--out", out, *WORDS).ok()
    (folder / "class 0/0001.txt").write_text("another caption")
    done = webpairs("pack", folder, "--out", out, *WORDS[:-1]).ok()
    assert "has changed" in done.err
    found = b"".join(path.read_bytes() for path in out.glob("*/shard-*.tar"))
    assert b"another caption" in found


def test_a_finished_pack_does_nothing_again(sources: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    webpairs("pack", sources[1], "--out", out, *WORDS).ok()
    before = {p: p.stat().st_mtime_ns for p in out.glob("s*/*")}
    webpairs("pack", sources[1], "--out", out, *WORDS).ok()
    assert {p: p.stat().st_mtime_ns for p in out.glob("s*/*")} == before


def _refused(code: int, words: str, done: Finished, out: Path) -> None:
    assert done.code == code, done.err
    assert words in done.sentence
    assert "bug" not in done.sentence
    assert not (out / "shards").exists()
    if (out / "run/commits").exists():
        _nothing_half_written(out)


def test_sources_that_cannot_be_packed(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def refused(code: int, words: str, *given: Word) -> None:
        _refused(code, words, webpairs("pack", *given, "--out", out), out)

    refused(2, "there is no", tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    refused(2, "holds no image", tmp_path / "empty")
    bare = image_folder(tmp_path / "bare", 3)
    for path in bare.rglob("*.txt"):
        path.unlink()
    refused(4, "none of 3 rows became a sample (no_caption 3); no_caption: captions are", bare)
    (tmp_path / "t.csv").write_text("foo,caption\n1,2\n")
    refused(2, "only foo, caption", tmp_path / "t.csv")
    (tmp_path / "t.parquet").write_text("PAR1 no parquet")
    refused(3, "no Parquet file or damaged", tmp_path / "t.parquet")
    (tmp_path / "a.tar").write_text("no tar " * 200)
    refused(3, "a.tar is no tar", tmp_path / "a.tar")
    whole = write_tar(tmp_path / "b.tar", img2dataset_members(range(9))).read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[: len(whole) // 2])
    refused(3, "b.tar is damaged or was cut", tmp_path / "b.tar")
    refused(2, "filters of samples only", bare, "--set", 'filters=[{use="text_length"}]')
    done = webpairs("pack", bare, "--out", bare / "out")
    _refused(2, "lies inside of", done, bare / "out")
    image_folder(out / "in", 1)
    refused(2, "would replace it", out / "in")


def test_a_crawl_is_not_overwritten(sources: list[Path], tmp_path: Path) -> None:
    from samples_fixture import build_samples

    out = build_samples(tmp_path / "out", 4)
    before = sorted(out.rglob("*"))
    done = webpairs("pack", sources[1], "--out", out)
    assert done.code == 2
    assert "holds a crawl" in done.sentence
    assert sorted(out.rglob("*")) == before
