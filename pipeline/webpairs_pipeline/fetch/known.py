"""Pictures of an earlier run, for images that have not changed since: `fetch.known = "out/old"`.

Their servers are asked with the ETag or the date that they gave then (RFC 9110 §13.1): one that
answers 304 sends no image, and the picture is copied from the earlier run. That needs the same
[image] section, or the picture would be another. What is known lies in one SQLite file, so that
runs of any size fit in memory.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec

from webpairs_core import files
from webpairs_core.errors import PartCorrupt, RecipeError, StorageError
from webpairs_core.keys import digest
from webpairs_core.ledger import DONE, Ledger
from webpairs_core.records import Outcome
from webpairs_core.schema import SAMPLES, read_part
from webpairs_pipeline.recipe import recipe_dict
from webpairs_pipeline.run import Run
from webpairs_shards.image.processed import Processed, Rights

_IN_THE_FILE = ("iptc:", "c2pa:")
"""Signals that were read inside an image; those of its site and headers are asked for anew."""


class KnownImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image as an earlier run had it; the fields are columns of SAMPLES, encoded by name."""

    etag: str
    last_modified: str
    n_bytes: int = msgspec.field(name="bytes")
    sha256: str
    phash: int
    contrast: float
    format: str
    is_animated: bool
    image_optout: list[str]
    original_width: int
    original_height: int
    width: int
    height: int
    rights_creator: str
    rights_copyright: str
    rights_license: str
    tar: str
    offset: int
    length: int

    def processed(self, picture: bytes) -> Processed:
        """The result that decoding the same bytes again would have."""
        return Processed(
            outcome=Outcome.OK,
            data=picture,
            width=self.width,
            height=self.height,
            original_width=self.original_width,
            original_height=self.original_height,
            is_animated=self.is_animated,
            phash=self.phash,
            contrast=self.contrast,
            format=self.format,
            rights=Rights(
                creator=self.rights_creator,
                copyright=self.rights_copyright,
                license=self.rights_license,
                signals=tuple(s for s in self.image_optout if s.startswith(_IN_THE_FILE)),
            ),
        )


_COLUMNS = ["url", "outcome", *(f.encode_name for f in msgspec.structs.fields(KnownImage))]


def image_digest(run: Run) -> str:
    """What the pictures of two runs must have in common to be the same."""
    return digest(recipe_dict(run.recipe)["image"])


class Known:
    """`with Known(run, folder) as known: ...`; empty when the recipe names no earlier run.

    `folder` is where the index may lie. Raises RecipeError when the earlier run is not finished or
    made other pictures, PartCorrupt when its parts are damaged.
    """

    def __init__(self, run: Run, folder: Path) -> None:
        self._root = _folder_of(run.recipe.fetch.known) if run.recipe.fetch.known else None
        self._digest = image_digest(run)
        self._folder = folder

    def __enter__(self) -> Self:
        path = ":memory:"
        if self._root is not None:
            with files.disk_errors():
                self._folder.mkdir(parents=True, exist_ok=True)
            path = str(self._folder / "known.sqlite")
        with _index_errors(path):
            self._open(path)
        return self

    def _open(self, path: str) -> None:
        self._db = sqlite3.connect(path)
        self._db.execute("CREATE TABLE IF NOT EXISTS source (digest TEXT)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS known (url TEXT PRIMARY KEY, image BLOB) WITHOUT ROWID"
        )
        if self._root is not None:
            self._read(self._root)

    def __exit__(self, *error: object) -> None:
        self._db.close()

    def of(self, urls: Iterable[str]) -> dict[str, KnownImage]:
        """What is known of these URLs."""
        if self._root is None:
            return {}
        decoder = msgspec.msgpack.Decoder(KnownImage)
        found: dict[str, KnownImage] = {}
        for url in urls:
            row = self._db.execute("SELECT image FROM known WHERE url = ?", [url]).fetchone()
            if row is not None:
                found[url] = decoder.decode(row[0])
        return found

    def picture(self, image: KnownImage) -> bytes:
        """The stored picture. Raises PartCorrupt when it is not there any more."""
        assert self._root is not None
        path = self._root / image.tar
        try:
            with path.open("rb") as tar:
                tar.seek(image.offset)
                picture = tar.read(image.length)
        except OSError as error:
            raise PartCorrupt(f"{path} cannot be read ({error}): leave out fetch.known") from error
        if len(picture) != image.length:
            raise PartCorrupt(f"{path} is shorter than its index says: leave out fetch.known")
        return picture

    def _read(self, root: Path) -> None:
        stage = Ledger(root).stage("fetch")
        done = stage.commit_of(DONE)
        if done is None:
            raise RecipeError(f"fetch.known = {str(root)!r} holds no finished fetch stage")
        made_with = done.info.get("made_with")
        if not isinstance(made_with, dict) or made_with.get("image") != self._digest:
            raise RecipeError(
                f"fetch.known = {str(root)!r} was made with another [image] section: its pictures "
                "cannot be used here"
            )
        source = digest([str(root), Ledger(root).stage_digest("fetch")])
        if self._db.execute("SELECT digest FROM source").fetchall() == [(source,)]:
            return
        with self._db:
            self._db.execute("DELETE FROM source")
            self._db.execute("DELETE FROM known")
            for entry in Ledger(root).outputs("fetch", "samples/"):
                if entry.path.endswith(".parquet"):
                    self._db.executemany(
                        "INSERT OR REPLACE INTO known VALUES (?, ?)", _rows(root / entry.path)
                    )
            self._db.execute("INSERT INTO source VALUES (?)", [source])


def _folder_of(known: str) -> Path:
    try:
        root = Path(known).resolve()
        if root.is_dir():
            return root
    except (OSError, ValueError):  # longer than any path, or with a NUL
        pass
    raise RecipeError(f"fetch.known = {known!r} is no folder: name the OUT of a finished run")


@contextmanager
def _index_errors(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(
            f"the index of fetch.known cannot be made ({error}): free some space, or delete {path} "
            "if it is damaged, and run the same command again"
        ) from error


def _rows(part: Path) -> Iterable[tuple[str, bytes]]:
    encoder = msgspec.msgpack.Encoder()
    for batch in read_part(part, SAMPLES):
        rows: list[dict[str, Any]] = batch.select(_COLUMNS).to_pylist()
        for row in rows:
            url, outcome = row.pop("url"), row.pop("outcome")
            if outcome == Outcome.OK and (row["etag"] or row["last_modified"]):
                yield url, encoder.encode(row)
