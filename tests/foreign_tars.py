"""WebDatasets as others make them, sound ones and ones with one fault each: real tars.

`CASES` maps a name to what writes the shards into a folder. Pictures are small, captions numbered.
"""

import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

from PIL import Image

Members = Iterable[tuple[str, bytes]]


@cache
def picture(number: int = 0, ending: str = "JPEG") -> bytes:
    """A picture of 24 x 16 pixels, another one for each number."""
    pixels = random.Random(number).randbytes(24 * 16 * 3)
    stream = io.BytesIO()
    Image.frombytes("RGB", (24, 16), pixels).save(stream, ending)
    return stream.getvalue()


def sample(number: int, **members: bytes | None) -> list[tuple[str, bytes]]:
    """jpg, txt and json of a sample; `members` by their endings replace or add, None leaves out."""
    parts: dict[str, bytes | None] = {
        "jpg": picture(number),
        "txt": f"picture number {number}".encode(),
        "json": json.dumps({"width": 24, "url": f"http://a.example/{number}"}).encode(),
    }
    parts |= members
    return [(f"{number:09d}.{end}", data) for end, data in parts.items() if data is not None]


def tar_bytes(members: Members) -> bytes:
    """A ustar or, for long names, GNU tar."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def put(folder: Path, *shards: Sequence[tuple[str, bytes]], sizes: bool = True) -> Path:
    """Shards 00000.tar … of these members, with a sizes.json that counts their samples."""
    counts = {}
    for number, members in enumerate(shards):
        name = f"{number:05d}.tar"
        (folder / name).write_bytes(tar_bytes(members))
        counts[name] = len({member.rpartition(".")[0] for member, _ in members})
    if sizes:
        (folder / "sizes.json").write_text(json.dumps(counts))
    return folder


def many(first: int = 0, n: int = 8, **members: bytes | None) -> list[tuple[str, bytes]]:
    """The members of `n` samples."""
    return [one for number in range(first, first + n) for one in sample(number, **members)]


def _four(folder: Path, change: Callable[[int], dict[str, bytes | None]]) -> None:
    """Four shards of eight samples; `change` gives the members of a sample's number."""
    put(
        folder,
        *(
            [one for i in range(8 * k, 8 * k + 8) for one in sample(i, **change(i))]
            for k in range(4)
        ),
    )


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def _dotted(folder: Path) -> None:
    put(folder, *([("a.b." + n, d) for n, d in many(8 * k)] for k in range(4)))


def _apart(folder: Path) -> None:
    put(folder, *(sorted(many(8 * k), key=lambda m: m[0].partition(".")[2]) for k in range(4)))


def _cut(folder: Path) -> None:
    _four(folder, lambda _: {})
    path = folder / "00001.tar"
    path.write_bytes(path.read_bytes()[: 512 * 22 + 700])


def _no_end(folder: Path) -> None:
    _four(folder, lambda _: {})
    path = folder / "00001.tar"
    with tarfile.open(path) as tar:
        place = tar.getmembers()[12].offset
    path.write_bytes(path.read_bytes()[:place])


def _bad_header(folder: Path) -> None:
    _four(folder, lambda _: {})
    path = folder / "00001.tar"
    with tarfile.open(path) as tar:
        place = tar.getmembers()[12].offset
    data = bytearray(path.read_bytes())
    data[place + 150] ^= 1
    path.write_bytes(data)


def _glued(folder: Path) -> None:
    _four(folder, lambda _: {})
    path = folder / "00001.tar"
    path.write_bytes(path.read_bytes() + tar_bytes(many(900)))


def _file(data: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        _four(folder, lambda _: {})
        (folder / "00001.tar").write_bytes(data)

    return write


def _alone(data: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "00000.tar").write_bytes(data)
        (folder / "sizes.json").write_text('{"00000.tar": 8}')

    return write


def _gzip(folder: Path) -> None:
    _four(folder, lambda _: {})
    for path in sorted(folder.glob("*.tar")):
        path.with_suffix(".tar.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    sizes = folder / "sizes.json"
    sizes.write_text(sizes.read_text().replace(".tar", ".tar.gz"))


def _border(folder: Path) -> None:
    """The last key of each shard is the first of the next one."""
    put(folder, many(0), many(7), many(14), many(21))


def _half_border(folder: Path) -> None:
    members = many(0, 16)
    put(folder, members[:22], members[22:44], members[44:], many(50))


def _linked(folder: Path) -> None:
    _four(folder, lambda _: {})
    with tarfile.open(folder / "00001.tar", "w") as tar:
        for number in range(8):
            for name, data in sample(number + 8, jpg=None):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            link = tarfile.TarInfo(f"{number + 8:09d}.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)


def _climbing(folder: Path) -> None:
    put(folder, *([("../" + n, d) for n, d in many(8 * k)] for k in range(4)))


def _upper(folder: Path) -> None:
    put(folder, *([(n.replace("jpg", "JPG"), d) for n, d in many(8 * k)] for k in range(4)))


def _sizes_short(folder: Path) -> None:
    _four(folder, lambda _: {})
    (folder / "sizes.json").write_text('{"00000.tar": 8, "00001.tar": 8}')


def _sizes_wrong(folder: Path) -> None:
    _four(folder, lambda _: {})
    (folder / "sizes.json").write_text(
        '{"00000.tar": 8, "00001.tar": 80, "00002.tar": 8, "00003.tar": 8}'
    )


_BROKEN = picture()[: len(picture()) // 2]
_LATER = 20
"""A sample that no reader takes for one of the first."""

CASES: dict[str, Callable[[Path], object]] = {
    "sound": lambda f: _four(f, lambda _: {}),
    "no_captions": lambda f: _four(f, lambda i: {"txt": None, "cls": b"3"}),
    "some_without_caption": lambda f: _four(f, lambda i: {"txt": None} if i == _LATER else {}),
    "no_images": lambda f: _four(f, lambda i: {"jpg": None}),
    "some_without_image": lambda f: _four(f, lambda i: {"jpg": None} if i == _LATER else {}),
    "gif": lambda f: _four(f, lambda i: {"jpg": None, "gif": picture(i, "GIF")}),
    "dotted": _dotted,
    "apart": _apart,
    "broken_images": lambda f: _four(f, lambda i: {"jpg": _BROKEN} if i % 3 == 2 else {}),
    "all_images_broken": lambda f: _four(f, lambda i: {"jpg": _BROKEN}),
    "upper": _upper,
    "captions_empty": lambda f: _four(f, lambda i: {"txt": b" "}),
    "some_captions_empty": lambda f: _four(f, lambda i: {"txt": b""} if i == _LATER else {}),
    "not_utf8": lambda f: _four(f, lambda i: {"txt": b"caf\xe9"} if i == _LATER else {}),
    "not_nfc": lambda f: _four(f, lambda i: {"txt": b"cafe\xcc\x81"} if i == _LATER else {}),
    "cut": _cut,
    "no_end": _no_end,
    "bad_header": _bad_header,
    "glued": _glued,
    "empty_tar": _file(tar_bytes([])),
    "only_empty_tar": _alone(tar_bytes([])),
    "zero_bytes": _file(b""),
    "only_zero_bytes": _alone(b""),
    "not_a_tar": _file(b"<html>404 not found</html>" * 100),
    "gzip": _gzip,
    "cut_gzip": _file(gzip.compress(tar_bytes(many(8)), mtime=0)[:900]),
    "border": _border,
    "half_border": _half_border,
    "member_twice": lambda f: put(
        f, many(), [*many(8), ("000000015.txt", b"again")], many(16), many(24)
    ),
    "linked": _linked,
    "climbing": _climbing,
    "mixed_images": lambda f: _four(
        f, lambda i: {"jpg": None, "png": picture(i, "PNG")} if i % 2 else {}
    ),
    "webp_later": lambda f: _four(
        f, lambda i: {"jpg": None, "webp": picture(i, "WEBP")} if i == _LATER else {}
    ),
    "json_broken": lambda f: _four(f, lambda i: {"json": b'{"a": '} if i == _LATER else {}),
    "json_is_list": lambda f: _four(f, lambda i: {"json": b"[1]"} if i == _LATER else {}),
    "json_new_key": lambda f: _four(
        f, lambda i: {"json": _json(width=1, url="", n=1)} if i == _LATER else {}
    ),
    "json_lost_key": lambda f: _four(f, lambda i: {"json": _json(width=1)} if i == _LATER else {}),
    "json_int_half": lambda f: _four(f, lambda i: {"json": _json(n=0.5 if i == _LATER else i)}),
    "json_float_int": lambda f: _four(
        f, lambda i: {"json": _json(n=5 if i == _LATER else i + 0.5)}
    ),
    "json_null_text": lambda f: _four(f, lambda i: {"json": _json(n="a" if i == _LATER else None)}),
    "json_int_text": lambda f: _four(f, lambda i: {"json": _json(n="a" if i == _LATER else i)}),
    "json_text_int": lambda f: _four(f, lambda i: {"json": _json(n=7 if i == _LATER else "a")}),
    "json_bool_int": lambda f: _four(f, lambda i: {"json": _json(n=7 if i == _LATER else True)}),
    "json_int_list": lambda f: _four(f, lambda i: {"json": _json(n=[7] if i == _LATER else 7)}),
    "json_text_null": lambda f: _four(f, lambda i: {"json": _json(n=None if i == _LATER else "a")}),
    "json_mixed_first": lambda f: _four(f, lambda i: {"json": _json(n=0.5 if i == 2 else i)}),
    "json_keys_first": lambda f: _four(
        f, lambda i: {"json": _json(n=1, m=2) if i == 2 else _json(n=1)}
    ),
    "json_int_huge": lambda f: _four(f, lambda i: {"json": _json(n=2**70 if i == _LATER else i)}),
    "json_nested": lambda f: _four(
        f, lambda i: {"json": _json(a={"b": [0.5 if i == _LATER else i]})}
    ),
    "json_text_list": lambda f: _four(f, lambda i: {"json": _json(n=[1] if i == _LATER else "a")}),
    "json_list_int": lambda f: _four(f, lambda i: {"json": _json(n=1 if i == _LATER else [1])}),
    "json_int_digits": lambda f: _four(f, lambda i: {"json": _json(n="7" if i == _LATER else 1)}),
    "cls_word": lambda f: _four(f, lambda i: {"cls": b"cat" if i == _LATER else b"1"}),
    "sizes_short": _sizes_short,
    "sizes_wrong": _sizes_wrong,
    "no_sizes": lambda f: put(f, *(many(8 * k) for k in range(4)), sizes=False),
    "one_shard": lambda f: put(f, many(0, 32)),
}
