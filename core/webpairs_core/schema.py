"""The Arrow schemas of all Parquet parts, and the only functions that write and read them.

The version travels in the schema's metadata (`webpairs.schema`); a reader that meets another one
stops.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from webpairs_core.errors import PartCorrupt, SchemaMismatch
from webpairs_core.records import Pair

_VERSION = b"webpairs.schema"
_KEY = pa.binary(16)


def _versioned(name: str, fields: Sequence[pa.Field]) -> pa.Schema:
    return pa.schema(fields, metadata={_VERSION: name.encode()})


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


_PAIR_FIELDS = [
    _required("key", _KEY),
    _required("url", pa.string()),
    _required("src_url", pa.string()),
    _required("text", pa.string()),
    _required("text_source", pa.string()),
    _required("page_url", pa.string()),
    _required("position", pa.int32()),
    _required("page_lang", pa.string()),
    _required("declared_width", pa.int32()),
    _required("declared_height", pa.int32()),
    _required("found_in", pa.string()),
    _required("fetched_at", pa.timestamp("ms", tz="UTC")),
    _required("optout", pa.list_(pa.string())),
    _required("license_url", pa.string()),
    _required("context", pa.string()),
    _required("extra", pa.string()),
]
_FILTER_FIELDS = [
    _required("lang", pa.string()),
    _required("lang_score", pa.float32()),
    _required("lang_detector", pa.string()),
    _required("host", pa.string()),
]
_OUTCOME_FIELDS = [
    _required("outcome", pa.string()),
    _required("http_status", pa.int16()),
    _required("final_url", pa.string()),
    _required("content_type", pa.string()),
    _required("bytes", pa.int64()),
    _required("etag", pa.string()),
    _required("last_modified", pa.string()),
    _required("sha256", pa.string()),
    _required("phash", pa.uint64()),
    _required("contrast", pa.float32()),
    _required("format", pa.string()),
    _required("original_width", pa.int32()),
    _required("original_height", pa.int32()),
    _required("width", pa.int32()),
    _required("height", pa.int32()),
    _required("is_animated", pa.bool_()),
    _required("fetch_ms", pa.int32()),
    _required("dns_ms", pa.int32()),
    _required("connect_ms", pa.int32()),
    _required("first_byte_ms", pa.int32()),
    _required("body_ms", pa.int32()),
    _required("attempts", pa.int16()),
    _required("image_optout", pa.list_(pa.string())),
    _required("rights_creator", pa.string()),
    _required("rights_copyright", pa.string()),
    _required("rights_license", pa.string()),
    _required("tar", pa.string()),
    _required("offset", pa.int64()),
    _required("length", pa.int64()),
]

PAGES = _versioned(
    "pages/1",
    [
        _required("url", pa.string()),
        _required("depth", pa.int32()),
        _required("outcome", pa.string()),
        _required("http_status", pa.int16()),
        _required("n_images", pa.int32()),
        _required("n_pairs", pa.int32()),
        _required("unpaired", pa.map_(pa.string(), pa.int32())),
        _required("links", pa.list_(pa.string())),
        _required("optout", pa.list_(pa.string())),
    ],
)
"""One row for each page asked for: its outcome, its images without a pair by reason, its links."""

PAIRS = _versioned("pairs/2", _PAIR_FIELDS)
CANDIDATES = _versioned("candidates/2", _PAIR_FIELDS + _FILTER_FIELDS)
SAMPLES = _versioned("samples/4", _PAIR_FIELDS + _FILTER_FIELDS + _OUTCOME_FIELDS)
"""One outcome row for each candidate; `tar`, `offset`, `length` (bytes) locate its image. The `_ms`
are of the last attempt: `fetch_ms` is all of it, `dns_ms` to `body_ms` its last request."""
REJECTS = _versioned(
    "rejects/1",
    [
        _required("key", _KEY),
        _required("stage", pa.string()),
        _required("reason", pa.string()),
        pa.field("dup_of", _KEY),
    ],
)
SCORES = _versioned(
    "scores/1",
    [
        _required("key", _KEY),
        _required("similarity", pa.float32()),
        _required("eval_similarity", pa.float32()),
        _required("eval_match", pa.string()),
    ],
)
"""What a CLIP checkpoint says of each fetched image: its cosine with the text, and the nearest
picture of the evaluation sets, with the cosine of both; -1 and "" without such sets."""
DECONTAMINATED = _versioned(
    "decontaminated/1",
    [
        _required("key", _KEY),
        _required("url", pa.string()),
        _required("text", pa.string()),
        _required("reason", pa.string()),
        _required("match", pa.string()),
        _required("distance", pa.int32()),
        _required("similarity", pa.float32()),
    ],
)
"""The samples that went because they show a picture of an evaluation set: `match` is its path, in a
tar `TAR:MEMBER`. `distance` in bits of the pHash, -1 where it was found by `similarity`, which is
the cosine of the embeddings, -1 without a model."""
PLAN = _versioned(
    "plan/3",
    [
        _required("shard", pa.int32()),
        _required("row", pa.int32()),
        _required("key", _KEY),
        _required("url", pa.string()),
        _required("text", pa.string()),
        _required("other_texts", pa.list_(pa.string())),
        _required("text_source", pa.string()),
        _required("page_url", pa.string()),
        _required("page_lang", pa.string()),
        _required("lang", pa.string()),
        _required("lang_score", pa.float32()),
        _required("host", pa.string()),
        _required("license_url", pa.string()),
        _required("optout", pa.list_(pa.string())),
        _required("image_optout", pa.list_(pa.string())),
        _required("extra", pa.string()),
        _required("sha256", pa.string()),
        _required("phash", pa.uint64()),
        _required("original_width", pa.int32()),
        _required("original_height", pa.int32()),
        _required("width", pa.int32()),
        _required("height", pa.int32()),
        _required("tar", pa.string()),
        _required("offset", pa.int64()),
        _required("length", pa.int64()),
    ],
)
"""Which sample goes to which shard, at which row of it, and all that a shard says about it.

No time of day and no duration: the same samples fetched on another day make the same plan.
"""

SHARD = _versioned(
    "shard/3",
    [
        _required("key", pa.string()),
        _required("url", pa.string()),
        _required("caption", pa.string()),
        _required("other_captions", pa.string()),
        _required("status", pa.string()),
        _required("text_source", pa.string()),
        _required("page_url", pa.string()),
        _required("page_lang", pa.string()),
        _required("lang", pa.string()),
        _required("lang_score", pa.float64()),
        _required("host", pa.string()),
        _required("width", pa.int32()),
        _required("height", pa.int32()),
        _required("original_width", pa.int32()),
        _required("original_height", pa.int32()),
        _required("sha256", pa.string()),
        _required("phash", pa.string()),
        _required("license_url", pa.string()),
        _required("optout", pa.string()),
        _required("extra", pa.string()),
    ],
)
"""The sidecar of a shard: row i is the KEY.json of its sample i. Names as in img2dataset."""


def pairs_table(pairs: Iterable[Pair]) -> pa.Table:
    """Pairs as a table of schema pairs/2."""
    rows = [msgspec.structs.asdict(pair) for pair in pairs]
    return pa.Table.from_pylist(rows, schema=PAIRS)


_GROUP_ROWS = 65_536


class PartWriter:
    """Writes one Parquet part (zstd), batch by batch.

    Rows are gathered into groups of one size, so the bytes of the file depend on its rows alone and
    not on how they came in batches.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.rows = 0
        self._schema = schema
        self._held: list[pa.Table] = []
        self._n_held = 0
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", store_schema=True)

    def __enter__(self) -> Self:
        return self

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Append rows; columns are cast to the schema."""
        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        self._held.append(table.cast(self._schema))
        self._n_held += table.num_rows
        self.rows += table.num_rows
        while self._n_held >= _GROUP_ROWS:
            self._flush(_GROUP_ROWS)

    def _flush(self, n_rows: int) -> None:
        held = pa.concat_tables(self._held)
        # One chunk per column: where a chunk ends, a Parquet page may end.
        self._writer.write_table(held.slice(0, n_rows).combine_chunks())
        self._held = [held.slice(n_rows)]
        self._n_held -= n_rows

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._n_held and error is None:
            self._flush(self._n_held)
        self._writer.close()


def write_part(path: Path, batches: Iterable[pa.RecordBatch | pa.Table], schema: pa.Schema) -> int:
    """Write one Parquet part as a whole and return its rows; see `PartWriter`."""
    with PartWriter(path, schema) as part:
        for batch in batches:
            part.write(batch)
    return part.rows


def open_part(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    """Open a part after checking its version.

    Raises PartCorrupt when it is missing or damaged, SchemaMismatch when its version is another.
    """
    try:
        part = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise PartCorrupt(f"{path} cannot be read ({error}); delete it and run again") from error
    found = (part.schema_arrow.metadata or {}).get(_VERSION, b"none").decode()
    wanted = schema.metadata[_VERSION].decode()
    if found != wanted:
        part.close()
        raise SchemaMismatch(
            f"{path} has schema {found!r} where this release reads {wanted!r}; "
            "run the stage that made it again with --fresh"
        )
    return part


def read_part(path: Path, schema: pa.Schema, batch_rows: int = 8_192) -> Iterator[pa.RecordBatch]:
    """The rows of a part, in order, in batches. Raises as `open_part`, also in mid-file."""
    with open_part(path, schema) as part:
        try:
            yield from part.iter_batches(batch_size=batch_rows)
        except (OSError, pa.ArrowInvalid) as error:
            raise PartCorrupt(f"{path} is damaged ({error}); delete it and run again") from error


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """A whole part as one table. Raises as `open_part`."""
    return pa.Table.from_batches(read_part(path, schema), schema=schema)
