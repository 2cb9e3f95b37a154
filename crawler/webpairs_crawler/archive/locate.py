"""Which archive files a recipe means: paths, globs, URLs, and Common Crawl's listings of them."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from webpairs_core.errors import RecipeError
from webpairs_crawler.web.inputs import S3, Found, find, is_remote, open_input

__all__ = ["COMMON_CRAWL", "Input", "locate", "open_input"]

Kind = Literal["warc", "wat"]
COMMON_CRAWL = "https://data.commoncrawl.org/"
_LISTINGS = (".paths", ".paths.gz")
_INDEXES = (".cdx", ".cdxj", ".cdx.gz", ".idx")
"""What lies beside archives, ours too, and comes with a glob like `warc/*`."""
_MAX_LISTING_BYTES = 256 << 20
"""Unpacked. A crawl's own is about 15 MB: 90,000 lines."""


class Input(msgspec.Struct, frozen=True):
    """One archive file."""

    url: str
    """A local path, or an http(s) or s3 URL."""
    size: int
    """Bytes; 0 when not known."""
    kind: Kind
    """By its name: `.wat`, with any ending for compression, or else WARC (which ARC counts as)."""


def locate(patterns: Sequence[str]) -> list[Input]:
    """The archive files that paths, globs, URLs and listings name, sorted by URL, each once.

    A listing (.paths, .paths.gz) has a line for each file, as on Common Crawl's server: its lines
    start at the root of the listing's own host or bucket. Those of a local listing are paths
    beside it, paths from here, or else files on data.commoncrawl.org.
    Raises RecipeError and StorageError with a sentence on what cannot be found or reached.
    """
    found: dict[str, Found] = {}
    for file in find(patterns, "crawl.warc"):
        if file.url.endswith(_INDEXES) and file.url not in patterns:
            continue
        is_listing = file.url.partition("?")[0].endswith(_LISTINGS)
        found.update((each.url, each) for each in (_listed(file.url) if is_listing else (file,)))
    files = sorted(found.values(), key=lambda file: file.url)
    return [Input(file.url, file.size, _kind(file.url)) for file in files]


def _kind(url: str) -> Kind:
    name = url.partition("?")[0].rpartition("/")[2].lower()
    return "wat" if ".wat" in Path(name).suffixes else "warc"


def _listed(listing: str) -> Iterator[Found]:
    n_files = 0
    for line in _lines(listing):
        name = line.strip()
        if name and not name.startswith("#"):
            yield _beside(listing, name)
            n_files += 1
    if not n_files:
        raise RecipeError(f"the listing {listing} names no file: correct crawl.warc")


def _lines(listing: str) -> list[str]:
    with open_input(listing) as file:
        is_packed = listing.partition("?")[0].endswith(".gz")
        try:
            packed = gzip.GzipFile(fileobj=file) if is_packed else file
            data = packed.read(_MAX_LISTING_BYTES + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise RecipeError(f"the listing {listing} is not whole gzip: {error}") from None
    if len(data) > _MAX_LISTING_BYTES:
        raise RecipeError(f"the listing {listing} is too long: name fewer files in crawl.warc")
    try:
        return data.decode().splitlines()
    except UnicodeDecodeError:
        raise RecipeError(f"the listing {listing} is not text: correct crawl.warc") from None


def _beside(listing: str, name: str) -> Found:
    """What a line of a listing means."""
    if is_remote(listing):
        # A remote listing leads to its own server only: it is not for it to name others.
        if "://" in name or name.startswith("//"):
            raise RecipeError(
                f"the listing {listing} names {name}, which is not on the same server: save the "
                "listing and name the saved one in crawl.warc"
            )
        return Found(_root(listing) + name.lstrip("/"))
    if is_remote(name):
        return Found(name)
    for path in (Path(listing).parent / name, Path(name).expanduser()):
        if path.is_file():
            return Found(str(path), path.stat().st_size)
    if name.startswith("/"):
        raise RecipeError(f"the listing {listing} names {name}, which is not there")
    return Found(COMMON_CRAWL + name)


def _root(url: str) -> str:
    """Scheme and host of a URL, or the bucket, with a slash."""
    start = len(S3) if url.startswith(S3) else url.index("://") + 3
    return url[: url.index("/", start) + 1]
