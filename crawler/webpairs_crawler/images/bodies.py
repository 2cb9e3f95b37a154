"""Read a body under caps: bytes are counted as they come, whatever Content-Length says."""

import asyncio
import zlib
from collections.abc import Callable

import aiohttp

from webpairs_core.records import Outcome
from webpairs_crawler.images.answers import BodyRefused
from webpairs_shards.image.sniff import SNIFF_BYTES, sniff

GRACE_S = 5.0
MIN_BYTES_PER_S = 1024
"""After the grace, a body that came slower than this on average is given up (outcome slow)."""
MAX_RATIO = 100
"""How much longer than what was received a body may become without its Content-Encoding. Images are
packed already: the drawings that gzip shrinks most, BMPs of one colour, are the only ones near."""
_SMALL_BYTES = 2**20
"""Below this no ratio is asked for."""


async def read_image(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body of an image. Raises BodyRefused: too_large, slow, protocol, not_image.

    What is no image by its first bytes is dropped there: a page or a video is not downloaded.
    """
    if (response.content_length or 0) > max_bytes:
        raise BodyRefused(Outcome.TOO_LARGE)
    coding = _coding(response)
    is_coded = coding not in ("", "identity")
    body = bytearray()

    def take(chunk: bytes) -> bool:
        is_head_known = len(body) >= SNIFF_BYTES
        body.extend(chunk)
        if len(body) > max_bytes:
            raise BodyRefused(Outcome.TOO_LARGE)
        if not is_coded and not is_head_known and len(body) >= SNIFF_BYTES:
            _must_be_image(body)
        return True

    await _drain(response, take)
    data = _decoded(bytes(body), coding, max_bytes)
    _must_be_image(data)
    return data


async def read_start(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The first `max_bytes` of a text, however long it is. Raises BodyRefused: slow, protocol."""
    body = bytearray()

    def take(chunk: bytes) -> bool:
        body.extend(chunk)
        return len(body) <= max_bytes

    await _drain(response, take)
    inflater = _inflater(bytes(body[:1]), _coding(response))
    if inflater is None:
        return bytes(body[:max_bytes])
    try:
        return inflater.decompress(body, max_bytes)
    except zlib.error:
        raise BodyRefused(Outcome.PROTOCOL) from None


async def _drain(response: aiohttp.ClientResponse, take: Callable[[bytes], bool]) -> None:
    """Hand the body's packets to `take` until it says no more, at a minimum rate."""
    clock = asyncio.get_running_loop().time
    grace_end = clock() + GRACE_S
    n_bytes = 0
    try:
        async with asyncio.timeout_at(grace_end) as pace:
            while chunk := await response.content.readany():
                if not take(chunk):
                    return
                n_bytes += len(chunk)
                pace.reschedule(grace_end + n_bytes / MIN_BYTES_PER_S)
    except TimeoutError:
        raise BodyRefused(Outcome.SLOW) from None


def _must_be_image(head: bytes | bytearray) -> None:
    if sniff(bytes(head[:SNIFF_BYTES])) is None:
        raise BodyRefused(Outcome.NOT_IMAGE)


def _coding(response: aiohttp.ClientResponse) -> str:
    return response.headers.get("Content-Encoding", "").strip().lower()


def _decoded(body: bytes, coding: str, max_bytes: int) -> bytes:
    """The body without its Content-Encoding. Raises BodyRefused: protocol, too_large."""
    inflater = _inflater(body[:1], coding)
    if inflater is None:
        return body
    most = min(max_bytes, max(_SMALL_BYTES, MAX_RATIO * len(body)))
    try:
        data = inflater.decompress(body, most + 1)
    except zlib.error:
        raise BodyRefused(Outcome.PROTOCOL) from None
    if len(data) > most:
        raise BodyRefused(Outcome.TOO_LARGE)
    if not inflater.eof:
        raise BodyRefused(Outcome.PROTOCOL)
    return data


def _inflater(first: bytes, coding: str) -> "zlib._Decompress | None":
    """Undoes gzip and deflate, which we did not ask for, but some servers send. Others stay as they
    are: they will not look like an image."""
    if coding not in ("gzip", "x-gzip", "deflate"):
        return None
    is_wrapped = coding != "deflate" or first == b"\x78"  # else deflate without its zlib header
    return zlib.decompressobj(zlib.MAX_WBITS | 32 if is_wrapped else -zlib.MAX_WBITS)
