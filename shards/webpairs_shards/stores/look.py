"""The look at what a training would read first, before it starts: what is wrong with each shard, in
one sentence for all of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from webpairs_core.errors import ShardCorrupt, ShardError
from webpairs_shards.format.index import Records, checksum, read_index
from webpairs_shards.format.layout import SIZES
from webpairs_shards.format.manifest import Manifest, ShardEntry
from webpairs_shards.image.sniff import SNIFF_BYTES, sniff
from webpairs_shards.stores.foreign.counts import read_counts
from webpairs_shards.stores.foreign.hop import Read
from webpairs_shards.stores.store import check_index

_THREADS = 16
"""For disks that seek: the look at a shard is two short reads."""
_LOOKED_AT = 8
_NAMED = 5
_FORMATS = {"jpg": "JPEG", "webp": "WEBP", "png": "PNG"}
_AGAIN = "copy it again, or make the shards again (webpairs shard --fresh)"


def check_folder(folder: Path, manifest: Manifest, *, is_checked: bool) -> None:
    """Hold a folder of ours against its manifest: each tar there and of its size, each .idx its
    own, one of its first samples sound; sizes.json, where there is one, as the manifest.

    Raises ShardCorrupt that names the first problem and counts the rest.
    """

    def look(entry: ShardEntry) -> str | None:
        try:
            return _look_at(folder, entry, manifest.image_format, is_checked=is_checked)
        except ShardError as error:
            return str(error)
        except OSError as error:
            return f"{error.filename} cannot be read ({error.strerror}): see to its rights"

    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(look, manifest.shards))
    problems = [each for each in found if each]
    try:
        counts = read_counts(folder)
        if counts not in (None, {f"{e.name}.tar": e.samples for e in manifest.shards}):
            problems.append(f"{folder / SIZES} counts other samples than the manifest: {_AGAIN}")
    except ShardCorrupt as error:
        problems.append(str(error))
    tell(problems, f" (`webpairs verify {folder}` names all that is damaged)")


def tell(problems: Sequence[str], more: str = "") -> None:
    """Raises ShardCorrupt when there are problems: the first, a few others, how many there are, and
    `more`."""
    if not problems:
        return
    others = "; ".join(problems[1:_NAMED])
    others = f"; and {len(problems) - 1:,} more: {others}" if others else ""
    raise ShardCorrupt(f"{problems[0]}{others}{more}")


def look_at_first(records: Records, read: Read) -> str | None:
    """What is wrong with the first samples of somebody's tar, in words that go on after its name;
    None when nothing is."""

    def wrong(record: np.void) -> str | None:
        image = _part(record, "image", read, SNIFF_BYTES)
        return _wrong_with(image, _part(record, "text", read))

    return _first_ones(records, wrong)


def _first_ones(records: Records, wrong: Callable[[np.void], str | None]) -> str | None:
    """A sample with bad bytes is skipped while training and counted, so only several of them one
    after another are a reason not to start."""
    found: list[str] = []
    for record in records[:_LOOKED_AT]:
        what = wrong(record)
        if what is None:
            return None
        found.append(what)
    if not found:
        return None
    which = "its first sample" if len(found) == 1 else f"its first {len(found)} samples"
    return f"cannot be trained on: of {which}, the first has {found[0]}"


def _look_at(folder: Path, entry: ShardEntry, image_format: str, *, is_checked: bool) -> str | None:
    tar, path = folder / f"{entry.name}.tar", folder / f"{entry.name}.idx"
    resized = _wrong_size(tar, entry)
    if resized:
        return resized
    index = read_index(path)
    check_index(str(path), entry, index)
    wanted = _FORMATS.get(image_format)
    with tar.open("rb") as file:

        def read(start: int, n_bytes: int) -> bytes:
            file.seek(start)
            return file.read(n_bytes)

        def wrong(record: np.void) -> str | None:
            image, json, text = (_part(record, part, read) for part in ("image", "json", "text"))
            if is_checked and checksum(image, json, text) != record["crc32"]:
                return "another checksum"
            return _wrong_with(image, text, wanted)

        found = _first_ones(index.records, wrong)
    return f"{tar} {found}: {_AGAIN}" if found else None


def _wrong_size(tar: Path, entry: ShardEntry) -> str | None:
    """What is wrong with a tar that is missing or has another size than the manifest says."""
    try:
        size = tar.stat().st_size
    except FileNotFoundError:
        return f"{tar} is missing: {_AGAIN}"
    if size != entry.bytes:
        return f"{tar} has {size:,} bytes where the manifest says {entry.bytes:,}: {_AGAIN}"
    return None


def _part(record: np.void, part: str, read: Read, most: int = 1 << 32) -> bytes:
    return read(int(record[f"{part}_offset"]), min(int(record[f"{part}_bytes"]), most))


def _wrong_with(image: bytes, caption: bytes, wanted: str | None = None) -> str | None:
    try:
        if not caption.decode().strip():
            return "an empty caption"
    except UnicodeDecodeError:
        return "a caption that is not UTF-8"
    found = sniff(image[:SNIFF_BYTES])
    if found is None:
        return f"an image that is none (it starts with {image[:8]!r})"
    if wanted and found != wanted:
        return f"an image that is {found} and not {wanted}"
    return None
