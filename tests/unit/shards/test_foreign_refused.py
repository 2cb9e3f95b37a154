"""Tars that cannot be trained on are one sentence before anything starts."""

import gzip
import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tars_of_others import JPEG, img2dataset_folder, pair, pairs, write_tar
from webpairs_core.errors import ShardCorrupt, ShardError
from webpairs_shards import open_shards
from webpairs_shards.stores.foreign.open import ForeignOptions
from webpairs_shards.stores.foreign.walk import Endings


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return img2dataset_folder(tmp_path_factory.mktemp("refused") / "data", 3, 12)


@pytest.fixture
def copy(tmp_path: Path, data: Path) -> Path:
    return Path(shutil.copytree(data, tmp_path / "data"))


def _cut(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:n_bytes])


def _without(numbers: range, ending: str) -> list[tuple[str, bytes]]:
    return [each for each in pairs(numbers) if not each[0].endswith(ending)]


def _write(*files: tuple[str, bytes]) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        write_tar(folder / "00001.tar", files)
        (folder / "00001_stats.json").unlink(missing_ok=True)

    return write


def _huge(folder: Path) -> None:
    """A member of 5 GiB that takes no room on the disk."""
    member = tarfile.TarInfo("a.jpg")
    member.size = 5 * 2**30
    header = member.tobuf(tarfile.GNU_FORMAT)
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w") as tar:
        note = tarfile.TarInfo("a.txt")
        note.size = 3
        tar.addfile(note, io.BytesIO(b"abc"))
    with (folder / "00001.tar").open("wb") as file:
        file.write(header)
        file.seek(len(header) + member.size)
        file.write(text.getvalue())


N = range(10_000, 10_012)
FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (
        _write(*_without(N, "txt")),
        r"00001\.tar has no caption \.txt in its first sample: it has jp",
    ),
    (_write(("a.jpg", JPEG), ("a.cls", b"3")), r"no caption \.txt .* it has cls, jpg; name other"),
    (_write(*_without(N, "jpg")), r"00001\.tar has no image in its first sample: it has json, txt"),
    (_write(("a.cls", b"3")), r"00001\.tar holds no sample \(jpg, png, jpeg, webp with"),
    (_write(*pairs(N, "png")), r"00001\.tar has json, png, txt where \S*00000\.tar has jpg, json"),
    (_write(*pairs(N), *pair("z", 1, "webp")), r"00001\.tar mixes images \.jpg and \.webp"),
    (_write(*pairs(N), *pair("z", 1, "jpeg")), r"00001\.tar mixes images \.jpg and \.jpeg"),
    (_write(*pairs(N), ("z.png", JPEG), *pair("z")), r"00001\.tar mixes images \.jpg and \.png"),
    (_write(*_without(N, "json")), r"00001\.tar has jpg, txt where \S*00000\.tar has jpg, json"),
    (_write(*pair("photo.v1"), *pair("photo.v2")), r"holds 'photo\.v1\.jpg': a name is cut at its"),
    (_write(*pairs(N), *pair("x.y", 1)), r"holds 'x\.y\.jpg': a name is cut"),
    (_write(*pairs(N), ("x.jpg", JPEG), ("x.0.txt", b"x")), r"holds 'x\.0\.txt': a name is cut"),
    (_write(("a.0.jpg", JPEG), ("a.txt", b"x")), r"holds 'a\.0\.jpg': a name is cut"),
    (
        _write(*sorted(pairs(N), key=lambda each: each[0][-3:])),
        r"00001\.tar has the members of '000010000' in several places",
    ),
    (_write(*pair("a"), *pair("a")), r"00001\.tar holds 'a\.jpg' twice"),
    (_write(), r"00001\.tar holds no sample"),
    (
        _write(*[(f"{i}.{e}", d) for i in range(9) for e, d in (("jpg", JPEG), ("txt", b" "))]),
        r"cannot be trained on: of its first 8 samples, the first has an empty caption",
    ),
    (
        _write(("a.jpg", b"<html>"), ("a.txt", b"x")),
        r"its first sample, the first has an image that",
    ),
    (_write(("a.jpg", JPEG), ("a.txt", b"\xff")), r"has a caption that is not UTF-8"),
    (_huge, r"00001\.tar holds 'a\.jpg' of 5,368,709,120 bytes: 2 GiB is the most"),
    (lambda f: (f / "00001.tar").write_bytes(b""), r"00001\.tar is empty"),
    (lambda f: _cut(f / "00001.tar", 20_000), r"00001\.tar is cut short: it ends at byte 20,000"),
    (lambda f: _cut(f / "00001.tar", 300), r"00001\.tar is not a tar"),
    (
        lambda f: (f / "00001.tar").write_bytes(gzip.compress((f / "00000.tar").read_bytes())),
        r"00001\.tar is compressed by gzip: unpack it",
    ),
    (
        lambda f: (f / "sizes.json").write_text('{"00001.tar": 13}'),
        r"00001\.tar holds 12 samples where sizes\.json says 13",
    ),
    (lambda f: (f / "sizes.json").write_text('{"00007.tar": 13}'), r"00007\.tar is missing: sizes"),
    (lambda f: (f / "sizes.json").write_text('{"00007.tar": '), r"sizes\.json is damaged"),
    (
        lambda f: (f / "00001_stats.json").write_text('{"successes": 9}'),
        r"00001\.tar holds 12 samples where 00001_stats\.json says 9",
    ),
    (lambda f: (f / "00001_stats.json").write_text("[]"), r"00001_stats\.json is damaged"),
]


@pytest.mark.parametrize(("damage", "sentence"), FAULTS)
def test_refused_when_opened(copy: Path, damage: Callable[[Path], object], sentence: str) -> None:
    assert len(open_shards(copy)) == 36
    damage(copy)
    with pytest.raises(ShardCorrupt, match=sentence) as raised:
        open_shards(copy)
    assert str(copy) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_all_that_is_wrong_is_counted_and_the_first_is_named_first(copy: Path) -> None:
    for i in range(3, 12):
        write_tar(copy / f"{i:05d}.tar", _without(range(5), "txt"))
    (copy / "00000.tar").write_bytes(b"")
    with pytest.raises(ShardCorrupt) as raised:
        open_shards(copy)
    sentence = str(raised.value)
    assert sentence.startswith(f"{copy}/00000.tar is empty")
    assert "and 9 more: " in sentence
    assert "00003.tar has no caption" in sentence
    assert len(sentence) < 2_000


def test_a_missing_tar_of_a_brace_list_is_named(copy: Path) -> None:
    (copy / "00001.tar").unlink()
    with pytest.raises(ShardError, match=r"00001\.tar, \S*00003\.tar are missing"):
        open_shards(f"{copy}/{{00000..00003}}.tar")


def test_no_right_to_read_is_one_sentence(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("webpairs_shards.stores.foreign.open.os.open", refuse)
    with pytest.raises(ShardCorrupt, match=r"00000\.tar cannot be read \(Permission denied\)"):
        open_shards(copy)


def test_a_few_bad_samples_at_the_start_are_no_reason_not_to(copy: Path) -> None:
    bad = [("a.jpg", JPEG), ("a.txt", b""), ("b.jpg", b"<html>"), ("b.txt", b"x")]
    _write(*bad, *_without(N, "json"))(copy)
    reader = open_shards(copy / "00001.tar")
    assert reader.read(2).text == "caption 10000"


def test_endings_may_be_named(copy: Path) -> None:
    files = [*pairs(N), *pair("y", 1, "jpeg"), *pair("z", 2, "png"), ("z.input.jpg", JPEG)]
    _write(*files)(copy)
    both = ForeignOptions(endings=Endings(images=("jpg", "jpeg", "png")))
    reader = open_shards(copy, foreign=both)
    assert len(reader) == 12 + 14 + 12
    _write(*[(f"{i}.{e}", d) for i in range(4) for e, d in (("in.jpg", JPEG), ("a.txt", b"x"))])(
        copy
    )
    dotted = ForeignOptions(endings=Endings(images=("in.jpg",), caption="a.txt"))
    assert open_shards(copy / "00001.tar", foreign=dotted).read(3).key == "3"


def test_capital_endings_are_the_same(tmp_path: Path) -> None:
    files = [(name.upper(), data) for name, data in pairs(range(3))]
    assert len(open_shards(write_tar(tmp_path / "a.tar", files))) == 3


def test_part_of_a_folder_needs_not_all_that_sizes_json_counts(copy: Path) -> None:
    (copy / "sizes.json").write_text('{"00000.tar": 12, "00001.tar": 12, "00007.tar": 5}')
    assert len(open_shards(f"{copy}/{{00000..00001}}.tar")) == 24


def test_an_unfinished_folder_of_ours_is_not_taken_for_anothers(copy: Path) -> None:
    (copy / "00000.idx").touch()
    with pytest.raises(ShardError, match=r"holds no manifest\.json"):
        open_shards(copy)


def test_a_folder_of_packed_tars_only(tmp_path: Path) -> None:
    (tmp_path / "00000.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(ShardError, match=r"holds no \.tar: give a folder of WebDataset tars, unpa"):
        open_shards(tmp_path)
    with pytest.raises(ShardCorrupt, match="is compressed by gzip"):
        open_shards(tmp_path / "00000.tar.gz")
