"""Opening tars that this project did not write: walk each one, look at its first samples, hold all
against the first one and against the counts beside them."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from webpairs_core.errors import ShardCorrupt
from webpairs_core.keys import digest
from webpairs_shards.format.index import Records
from webpairs_shards.stores.foreign.counts import miscounted
from webpairs_shards.stores.foreign.find_tars import Where, find_tars
from webpairs_shards.stores.foreign.hop import Read
from webpairs_shards.stores.foreign.index_cache import IndexCache, KeptRecords
from webpairs_shards.stores.foreign.store import ForeignStore, ForeignTar
from webpairs_shards.stores.foreign.walk import Endings, Walk, walk
from webpairs_shards.stores.look import look_at_first, tell

_AHEAD = 4 << 20
_SMALL_HOP = 256 << 10
"""Below, the disk reads on in one go; a seek for each header would cost it more."""


class ForeignOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to open tars that this project did not write."""

    endings: Endings = Endings()
    index_cache: Path | None = None
    """A folder for what walks found: the next opening, and each worker process, walks nothing."""
    threads: int = 1
    """Tars walked at once. More help where a read waits long (a network disk), and cost CPU."""


def open_foreign(where: Where, options: ForeignOptions) -> ForeignStore:
    """Walk tars, or take what the index cache has, and look at their first samples.

    Raises ShardError where a tar is missing, ShardCorrupt where one cannot be trained on: cut
    short, compressed, without captions, with dots in its keys, with other endings or counts than
    the rest say. It names the first problem and counts the others.
    """
    paths = find_tars(where)
    with ThreadPoolExecutor(max(1, options.threads)) as pool:
        found = list(pool.map(lambda path: _walked(path, options), paths))
    problems = [each for each in found if isinstance(each, str)]
    tars = [each for each in found if isinstance(each, ForeignTar)]
    if not problems:
        is_folder = isinstance(where, Path | str) and Path(where).is_dir()
        problems = _differing(tars, options.endings)
        problems += miscounted({tar.path: tar.n_samples for tar in tars}, is_whole=is_folder)
    tell(problems)
    return ForeignStore(tars, str(where) if isinstance(where, Path | str) else str(paths[0].parent))


def _walked(path: Path, options: ForeignOptions) -> ForeignTar | str:
    """What is in a tar, or what is wrong with it."""
    endings = options.endings
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            read, n_bytes = _reading(file), os.fstat(file).st_size
            records: Records | KeptRecords
            if options.index_cache:
                found, records = IndexCache(options.index_cache, endings).walk(path, read)
            else:
                found = walk(read, n_bytes, endings)
                records = found.records
            wrong = _lacks(found, endings) or look_at_first(found.records, read)
        finally:
            os.close(file)
    except ShardCorrupt as error:
        return f"{path} {error}"
    except OSError as error:
        return f"{error.filename or path} cannot be read ({error.strerror}): see to its rights"
    if wrong:
        return f"{path} {wrong}"
    return ForeignTar(
        path=path,
        n_bytes=n_bytes,
        n_samples=len(found.records),
        images=found.images,
        first=found.first,
        digest=digest([n_bytes, found.digest()]),
        records=records,
    )


def _reading(file: int) -> Read:
    """Reads of one tar that is walked: the disk is told to read on while hops are small."""
    before = far = 0

    def read(start: int, n_bytes: int) -> bytes:
        nonlocal before, far
        if start - before < _SMALL_HOP and start + _AHEAD // 2 > far:
            far = max(far, start) + _AHEAD
            os.posix_fadvise(file, far - _AHEAD, _AHEAD, os.POSIX_FADV_WILLNEED)
        before = start
        return os.pread(file, n_bytes, start)

    return read


def _lacks(found: Walk, endings: Endings) -> str | None:
    has = f"it has {', '.join(found.first)}; name other endings (Endings), or leave the tar out"
    if endings.caption not in found.first:
        return f"has no caption .{endings.caption} in its first sample: {has}"
    if not set(found.images) & set(found.first):
        return f"has no image in its first sample: {has}"
    return None


def _differing(tars: Sequence[ForeignTar], endings: Endings) -> list[str]:
    """What is mixed inside of a tar, and tars that have other endings than the first one."""
    if endings.images:
        return []
    problems = []
    why = (
        "readers that take their columns from the first samples, as HF datasets, lose the others; "
        "to read them all the same, name the images' endings (Endings)"
    )
    wanted = _counting(tars[0], endings)
    for tar in tars:
        has = _counting(tar, endings)
        if len(tar.images) > 1:
            problems.append(f"{tar.path} mixes images .{' and .'.join(tar.images)}: {why}")
        elif has != wanted:
            problems.append(
                f"{tar.path} has {', '.join(has)} where {tars[0].path} has "
                f"{', '.join(wanted)}: {why}"
            )
    return problems


def _counting(tar: ForeignTar, endings: Endings) -> list[str]:
    """The endings of its first sample that count."""
    counting = {*tar.images, endings.caption, "json"}
    return [ending for ending in tar.first if ending in counting]
