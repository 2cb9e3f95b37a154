"""A web on loopback as data: which address answers what. `serve.py` puts it on the wire.

Plain data, so that it can be handed to the server's process and be looked at in tests.
"""

from pathlib import Path
from urllib.parse import quote

import msgspec

from webpairs_core.errors import RecipeError

FIRST_HOST = 2
"""127.0.0.2; 127.0.0.1 stays free for whatever else runs on the machine."""
MAX_HOSTS = 250
_PER_PAGE = 50


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one URL gives: a body from memory or from a file, and how badly the server behaves."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    file: str = ""
    """When set, the body is `length` bytes of this file from `offset` (all of it when 0)."""
    offset: int = 0
    length: int = 0
    delay_s: float = 0.0
    is_cut: bool = False
    """Close the connection in the middle of the body."""
    heals: bool = False
    """The first request of each life of the server gets a 503."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """All hosts of a web. Every host listens on the same port."""

    hosts: tuple[str, ...]
    """Addresses: 127.0.0.2, 127.0.0.3 …"""
    seeds: tuple[str, ...]
    """Where a crawl starts."""
    answers: dict[str, Answer] = {}
    """By host and raw path with query: `127.0.0.2/a.html?b=c`."""
    folders: dict[str, str] = {}
    """Hosts that serve the files of a folder."""


def host_name(index: int) -> str:
    """The address of the n-th host, from 0."""
    return f"127.0.0.{FIRST_HOST + index}"


def folder_site(path: Path, port: int) -> Site:
    """Each sub-folder of `path`, sorted, as a host of its own; RecipeError if there is none."""
    roots = sorted(p for p in _existing(path).iterdir() if p.is_dir())
    if not roots or len(roots) > MAX_HOSTS:
        raise RecipeError(
            f"serve.path {path} has {len(roots)} sub-folders: each one is served as a host of its "
            f"own, so give a folder with 1 to {MAX_HOSTS} of them"
        )
    hosts = tuple(host_name(i) for i in range(len(roots)))
    return Site(
        hosts=hosts,
        seeds=tuple(f"http://{host}:{port}/" for host in hosts),
        folders={host: str(root.resolve()) for host, root in zip(hosts, roots, strict=True)},
    )


class Captioned(msgspec.Struct, frozen=True):
    """A row of captions.jsonl; more keys may stand there."""

    file: str
    en: str


def gallery_site(path: Path, port: int) -> Site:
    """The images of `path` on pages of 50, each with its English name as alt text.

    `path`/captions.jsonl names them: one object with `file` and `en` a line. Raises RecipeError.
    """
    listing = _existing(path) / "captions.jsonl"
    try:
        rows = msgspec.json.Decoder(Captioned).decode_lines(listing.read_bytes())
    except FileNotFoundError:
        raise RecipeError(
            f"serve.path {path} has no captions.jsonl: web = gallery needs one, with "
            '{"file": "a.png", "en": "its caption"} on each line'
        ) from None
    except msgspec.DecodeError as error:
        raise RecipeError(
            f"{listing} cannot be read ({error}): it needs one object with file and en a line"
        ) from None
    host = host_name(0)
    answers = {
        f"{host}/images/{quote(row.file)}": Answer(
            headers=(("Content-Type", content_type(row.file)),), file=str(path.resolve() / row.file)
        )
        for row in rows
    }
    pages = [rows[i : i + _PER_PAGE] for i in range(0, len(rows), _PER_PAGE)]
    for number, some in enumerate(pages):
        answers[f"{host}/page-{number}.html"] = _html(f"Gallery, page {number}", _figures(some))
    links = "".join(f'<li><a href="/page-{n}.html">page {n}</a></li>' for n in range(len(pages)))
    answers[f"{host}/"] = _html("Gallery", f"<ul>{links}</ul>")
    return Site(hosts=(host,), seeds=(f"http://{host}:{port}/",), answers=answers)


def _figures(rows: list[Captioned]) -> str:
    return "".join(
        f'<p><img src="/images/{quote(row.file)}" alt="{_attribute(row.en)}">' for row in rows
    )


def _html(title: str, body: str) -> Answer:
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>{body}</html>'
    )
    return Answer(headers=(("Content-Type", "text/html; charset=utf-8"),), body=text.encode())


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _existing(path: Path) -> Path:
    if not path.is_dir():
        raise RecipeError(
            f"serve.path {str(path)!r} is not a folder: set it with --set serve.path=FOLDER"
        )
    return path


_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
# A table of our own: the system's mimetypes differ between machines.


def content_type(name: str) -> str:
    """The Content-Type of a file by its name."""
    return _TYPES.get(Path(name).suffix.lower(), "application/octet-stream")
