"""Lists of images that nobody may have: read strictly, matched by bytes and by looks."""

import hashlib
from pathlib import Path

import pytest

from hostile_web import picture
from webpairs_core.errors import ListError
from webpairs_filters.image.blocklist import ImageBlocklist
from webpairs_filters.options import BlocklistSection

DATA = picture()


def blocklist(path: Path, *lines: str, **fields: int) -> ImageBlocklist:
    path.write_text("\n".join(lines), "utf-8")
    return ImageBlocklist(BlocklistSection(files=(str(path),), **fields))


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("prefix", ["", "NAME:", " NAME : "])
def test_digests_of_the_bytes(tmp_path: Path, name: str, prefix: str) -> None:
    digest = hashlib.new(name, DATA, usedforsecurity=False).hexdigest().upper()
    made = blocklist(tmp_path / "l", "# bad", "", prefix.replace("NAME", name) + digest)
    assert made.names(DATA)
    assert not made.names(DATA + b"x")
    assert made.names_sha256(hashlib.sha256(DATA).hexdigest()) == (name == "sha256")
    assert not made.names_sha256("")
    assert len(made) == 1


@pytest.mark.parametrize("distance", [0, 4, 16])
def test_perceptual_hashes_within_the_distance(tmp_path: Path, distance: int) -> None:
    made = blocklist(tmp_path / "l", "phash:ffff0000ffff0000", "0" * 16, phash_distance=distance)
    near = 0xFFFF0000FFFF0000 ^ ((1 << distance) - 1)
    assert made.resembles(near)
    assert not made.resembles(near ^ (1 << 40))
    assert not made.resembles(0x5555555555555555)


def test_no_list_names_nothing() -> None:
    made = ImageBlocklist(BlocklistSection())
    assert (len(made), made.names(DATA), made.resembles(0), made.shows(DATA)) == (0, *[False] * 3)


@pytest.mark.parametrize("line", ["nonsense", "md5:12", "sha512:" + "0" * 128, "0" * 63, "phash:"])
def test_a_line_that_is_no_hash_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(ListError, match=r"line 2, is no hash"):
        blocklist(tmp_path / "l", "0" * 32, line)


def test_a_list_that_is_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="there is no list"):
        ImageBlocklist(BlocklistSection(files=("nowhere.txt",)))
    (tmp_path / "l").write_bytes(b"\xff\xfe")
    with pytest.raises(ListError, match="line 1, is not UTF-8"):
        ImageBlocklist(BlocklistSection(files=(str(tmp_path / "l"),)))


def test_pdq_without_its_library_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = blocklist(tmp_path / "l", "pdq:" + "0f" * 32)
    monkeypatch.setitem(__import__("sys").modules, "pdqhash", None)
    with pytest.raises(ListError, match=r"webpairs\[pdq\]"):
        made.shows(DATA)


def test_pdq_within_its_distance(tmp_path: Path) -> None:
    pdqhash = pytest.importorskip("pdqhash")
    np = pytest.importorskip("numpy")
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(DATA)) as image:
        bits, _ = pdqhash.compute(np.asarray(image.convert("RGB")))
        stream = BytesIO()
        image.resize((200, 160)).save(stream, "JPEG", quality=60)
    listed = np.packbits(bits).tobytes().hex()
    made = blocklist(tmp_path / "l", f"pdq:{listed}")
    assert made.shows(DATA)
    assert made.shows(stream.getvalue())  # a smaller copy
    assert not made.shows(picture(seed=5))
