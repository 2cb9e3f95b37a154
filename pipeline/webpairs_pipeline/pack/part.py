"""A finished part of what is packed: a tar of pictures and a Parquet part in schema SAMPLES, as the
fetch makes them."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from webpairs_core import files
from webpairs_core.funnel import Funnel
from webpairs_core.keys import pair_key
from webpairs_core.ledger import Stage
from webpairs_core.records import Outcome
from webpairs_core.schema import CANDIDATES, SAMPLES, write_part
from webpairs_crawler.images.answers import Fetched
from webpairs_crawler.web.urls import registrable_domain
from webpairs_pipeline.fetch.commit import PictureTar, with_outcomes
from webpairs_pipeline.fetch.journal import Row
from webpairs_pipeline.pack.rows import Facts
from webpairs_shards.image.processed import Processed

NOUN = "rows"
_EPOCH = datetime.fromtimestamp(0, UTC)
"""When an image was had is not known, and when it was packed must decide nothing."""


class PackedRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a row: all of it but the bytes that were read."""

    unit: str
    place: str
    text: str
    facts: Facts
    n_bytes: int
    sha256: str
    """Of the bytes read; empty without any."""
    processed: Processed

    @property
    def key(self) -> bytes:
        """16 bytes. A path decides the key of a row without an image only, which is no sample."""
        if self.facts.key:
            return self.facts.key
        return pair_key(self.facts.url or self.sha256 or self.place, self.text)


def write_packed(stage: Stage, name: str, packed: Iterable[PackedRow], ending: str) -> int:
    """Commit the unit `name` with these rows; return their number. `packed` may raise what it will:
    then nothing is committed. Raises StorageError when the disk is full."""
    tar_name, part_name = f"samples/{name}.tar", f"samples/{name}.parquet"
    rows: list[PackedRow] = []
    offsets, lengths = [], []
    with files.disk_errors(), stage.unit(name) as unit:
        with PictureTar(unit.path(tar_name)) as tar:
            for row in packed:
                picture = row.processed.data
                offsets.append(tar.add(f"{row.key.hex()}.{ending}", picture))
                lengths.append(len(picture))
                rows.append(_without_picture(row))
        places: dict[str, list[Any]] = {
            "tar": [tar_name if offset else "" for offset in offsets],
            "offset": offsets,
            "length": lengths,
        }
        known = [_outcome_row(number, row) for number, row in enumerate(rows)]
        samples = with_outcomes(_described(rows), known, places)
        unit.rows(part_name, write_part(unit.path(part_name), [samples], SAMPLES))
        counts = Counter(str(row.processed.outcome) for row in rows)
        kept = counts.pop(str(Outcome.OK), 0)
        unit.rows(tar_name, kept)
        unit.commit(
            Funnel("pack", NOUN, len(rows), kept, dict(counts)),
            info={
                "bytes": sum(row.n_bytes for row in rows),
                "shortened": sum(row.facts.is_shortened for row in rows),
            },
        )
    return len(rows)


def _without_picture(row: PackedRow) -> PackedRow:
    return msgspec.structs.replace(row, processed=msgspec.structs.replace(row.processed, data=b""))


def _outcome_row(number: int, row: PackedRow) -> Row:
    signals = set(row.processed.rights.signals) - set(row.facts.optout)
    return Row(
        place=number,
        fetched=Fetched(
            outcome=row.processed.outcome,
            final_url=row.facts.url,
            optout=tuple(sorted(signals)),
        ),
        processed=row.processed,
        n_bytes=row.n_bytes,
        sha256=row.facts.sha256 or row.sha256,
    )


def _described(rows: list[PackedRow]) -> pa.Table:
    """The columns of CANDIDATES."""
    columns: dict[str, list[Any]] = {
        "key": [row.key for row in rows],
        "url": [row.facts.url for row in rows],
        "src_url": [row.facts.url for row in rows],
        "text": [row.text for row in rows],
        "text_source": [row.facts.text_source for row in rows],
        "page_url": [row.facts.page_url for row in rows],
        "position": list(range(len(rows))),
        "page_lang": [row.facts.page_lang for row in rows],
        "found_in": [row.place for row in rows],
        "optout": [list(row.facts.optout) for row in rows],
        "license_url": [row.facts.license_url for row in rows],
        "extra": [row.facts.extra for row in rows],
        "lang": [row.facts.lang for row in rows],
        "lang_score": [row.facts.lang_score for row in rows],
        "host": [registrable_domain(row.facts.url) if row.facts.url else "" for row in rows],
    }
    shared: dict[str, Any] = {
        "declared_width": 0,
        "declared_height": 0,
        "fetched_at": _EPOCH,
        "context": "",
        "lang_detector": "",
    }
    for name, value in shared.items():
        columns[name] = [value] * len(rows)
    arrays = [pa.array(columns[field.name], field.type) for field in CANDIDATES]
    return pa.Table.from_arrays(arrays, schema=CANDIDATES)
