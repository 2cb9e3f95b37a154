"""Puts a web on loopback while a stage needs one, in a process that dies with its parent.

The parent binds and listens, then hands the sockets over: a port in use is one sentence before any
work, and the web is up from the first moment (connections wait in the backlog).
"""

import asyncio
import errno
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import msgspec

from webpairs_core.errors import RecipeError, StorageError
from webpairs_core.process import die_with_parent
from webpairs_pipeline.recipe import ServeSection
from webpairs_pipeline.site import Site, folder_site, gallery_site

_BIND_PATIENCE_S = 3.0
"""The server of a command that was killed a moment ago may still hold the port."""


class Web(msgspec.Struct, frozen=True):
    """A web that is up."""

    seeds: tuple[str, ...] = ()
    """Where a crawl starts."""


@contextmanager
def serving(section: ServeSection, out: Path) -> Iterator[Web]:
    """Keep the recipe's own web up for the length of a block; `web = "none"` starts nothing.

    Each request is noted in OUT/run/served.log. The demo's labelled images for evaluation are
    drawn into OUT/demo if they are absent. Raises StorageError when the port is taken or the
    machine has no such addresses, RecipeError when `serve.path` does not fit.
    """
    if section.web == "none":
        yield Web()
        return
    site = site_of(section, out)
    sockets = _listen(site.hosts, section.port)
    log = out / "run" / "served.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    process = get_context("spawn").Process(
        target=_serve, args=(site, sockets, log), name="web", daemon=True
    )
    try:
        process.start()
        for one in sockets:
            one.close()
        yield Web(site.seeds)
    finally:
        process.terminate()
        process.join()
        process.close()


def site_of(section: ServeSection, out: Path) -> Site:
    """The web that a recipe asks for, as data."""
    if section.web != "demo" and not section.path:
        raise RecipeError(
            f'serve.web = "{section.web}" serves the folder serve.path, which is empty: '
            "--set serve.path=FOLDER"
        )
    if section.web == "folders":
        return folder_site(Path(section.path), section.port)
    if section.web == "gallery":
        return gallery_site(Path(section.path), section.port)
    from webpairs_pipeline.demo.web import demo_site

    return demo_site(section, out)


def _listen(hosts: tuple[str, ...], port: int) -> list[socket.socket]:
    """Listening sockets for all hosts, or none and a StorageError."""
    sockets: list[socket.socket] = []
    deadline = time.monotonic() + _BIND_PATIENCE_S
    try:
        while len(sockets) < len(hosts):
            try:
                sockets.append(_listen_on(hosts[len(sockets)], port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                    time.sleep(0.1)
                    continue
                raise _refusal(error, hosts[len(sockets)], port) from error
    except StorageError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _listen_on(host: str, port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((host, port))
        one.listen(512)
    except OSError:
        one.close()
        raise
    return one


def _refusal(error: OSError, host: str, port: int) -> StorageError:
    if error.errno == errno.EADDRNOTAVAIL:
        return StorageError(
            f"this machine has no address {host}: Linux has all of 127.0.0.0/8, elsewhere add it "
            f"first (macOS: sudo ifconfig lo0 alias {host} up)"
        )
    return StorageError(
        f"cannot serve the recipe's web on {host}:{port} ({error.strerror}): end what uses that "
        f"port or choose another one, e.g. --set serve.port={port + 1 if port < 65535 else 8471}"
    )


def _serve(site: Site, sockets: list[socket.socket], log: Path) -> None:
    """The server process: runs until it is terminated."""
    die_with_parent()
    # Ctrl-C goes to the whole process group; the web stays up until its stage has put things away.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from webpairs_pipeline.web_server import serve_forever

    asyncio.run(serve_forever(site, sockets, log))
