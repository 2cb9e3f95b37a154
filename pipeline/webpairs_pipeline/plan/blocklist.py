"""Step `blocklist`: images that a list of the user's names, though they were fetched before it.

They are dropped, and what was stored of them is overwritten with zeros. What was erased is written
down before, so that no later plan takes it for a picture, whatever the lists say by then.
"""

import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from webpairs_core.files import disk_errors
from webpairs_filters.image.blocklist import ImageBlocklist
from webpairs_pipeline.plan.database import Work, batches, drop
from webpairs_pipeline.run import Run
from webpairs_shards.write.writer import SampleImages

log = logging.getLogger(__name__)

ERASED = "run/erased.jsonl"
"""One line for each picture that was overwritten, relative to OUT."""


class Erased(msgspec.Struct, frozen=True):
    """The place of a picture that is no more. The tar is told by its name and by the digest that
    the ledger has of it: another fetch may write another tar of that name."""

    tar: str
    sha256: str
    offset: int
    length: int


def run(work: Work) -> dict[str, Any]:
    """Find them, write them down, erase them, drop them. Shards that were made before go, too.

    Raises ListError for a list that cannot be read, StorageError when the disk is full.
    """
    blocklist = ImageBlocklist(work.run.recipe.blocklist)
    if blocklist.n_of_bytes:
        log.warning(
            "plan: %d MD5 and SHA-1 of the blocklist count when an image is fetched only: of what "
            "was fetched before, the bytes received are gone",
            blocklist.n_of_bytes,
        )
    gone = _erased(work.run)
    if not len(blocklist) and not gone:
        return {}
    ranks, places = _find(work, blocklist, gone)
    if places:
        _erase(work.run.out, places)
        work.run.ledger.reset("shard")  # their shards must not outlive a plan that fails later
    reason = pa.repeat("blocked", len(ranks))
    drop(work.db, pa.table({"rank": pa.array(ranks, pa.int64()), "reason": reason}))
    return {}


def _find(
    work: Work, blocklist: ImageBlocklist, gone: Collection[Erased]
) -> tuple[list[int], list[Erased]]:
    """The ranks of all that is blocked, and the places of what is not erased yet."""
    digests = _digests(work.run)
    ranks, places = [], []
    query = 'SELECT rank, sha256, phash, tar, "offset", length FROM left_over'
    with SampleImages(work.run.out) as images:
        for batch in batches(work.db.sql(query)):
            for row in batch.to_pylist():
                tar, offset, length = row["tar"], row["offset"], row["length"]
                place = Erased(tar, digests[tar], offset, length)
                if place in gone:
                    ranks.append(row["rank"])
                elif (
                    blocklist.names_sha256(row["sha256"])
                    or blocklist.resembles(row["phash"])
                    or (blocklist.has_pdq and blocklist.shows(images.read(tar, offset, length)))
                ):
                    ranks.append(row["rank"])
                    places.append(place)
    return ranks, places


def _digests(run: Run) -> dict[str, str]:
    return {entry.path: entry.sha256 for entry in run.ledger.outputs("fetch", "samples/")}


def _erased(run: Run) -> frozenset[Erased]:
    path = run.out / ERASED
    if not path.exists():
        return frozenset()
    decode = msgspec.json.Decoder(Erased).decode
    # A crash may have cut the last line; its picture was not touched yet.
    lines = path.read_bytes().split(b"\n")[:-1]
    return frozenset(decode(line) for line in lines if line.endswith(b"}"))


def _erase(out: Path, places: list[Erased]) -> None:
    with disk_errors():
        with (out / ERASED).open("ab") as file:
            file.write(b"\n" + msgspec.json.Encoder().encode_lines(places))
            file.flush()
            os.fsync(file.fileno())
        for place in places:
            with (out / place.tar).open("r+b") as tar:
                tar.seek(place.offset)
                tar.write(bytes(place.length))
                tar.flush()
                os.fsync(tar.fileno())
