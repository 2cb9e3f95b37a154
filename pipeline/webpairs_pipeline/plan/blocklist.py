"""Step `blocklist`: images that a list of the user's names, though they were fetched before it."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa

from webpairs_core.files import disk_errors
from webpairs_filters.image.blocklist import ImageBlocklist
from webpairs_pipeline.plan.database import Work, batches, drop
from webpairs_shards.writer import SampleImages


def run(work: Work) -> dict[str, Any]:
    """Drop them, and overwrite what was stored of them with zeros. MD5 and SHA-1 are of the bytes
    received, which are gone by now: they count at the fetch only.

    Raises ListError for a list that cannot be read.
    """
    blocklist = ImageBlocklist(work.run.recipe.blocklist)
    if not len(blocklist):
        return {}
    found: list[int] = []
    places: list[tuple[str, int, int]] = []
    query = 'SELECT rank, sha256, phash, tar, "offset", length FROM left_over'
    with SampleImages(work.run.out) as images:
        for batch in batches(work.db.sql(query)):
            for row in batch.to_pylist():
                place = (row["tar"], row["offset"], row["length"])
                if (
                    blocklist.names_sha256(row["sha256"])
                    or blocklist.resembles(row["phash"])
                    or (blocklist.has_pdq and blocklist.shows(images.read(*place)))
                ):
                    found.append(row["rank"])
                    places.append(place)
    reason = pa.repeat("blocked", len(found))
    drop(work.db, pa.table({"rank": pa.array(found, pa.int64()), "reason": reason}))
    _erase(work.run.out, places)
    return {}


def _erase(out: Path, places: list[tuple[str, int, int]]) -> None:
    for tar, offset, length in places:
        with disk_errors(), (out / tar).open("r+b") as file:
            file.seek(offset)
            file.write(bytes(length))
            file.flush()
            os.fsync(file.fileno())
