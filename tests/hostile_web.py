"""A web server made to misbehave: raw bytes on loopback, one coroutine for each path.

Runs in a thread of its own, so that the code under test has the event loop it wants.
"""

import asyncio
import io
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Self

import numpy as np
from PIL import Image

Answer = Callable[["Request"], Awaitable[bool | None]]
"""Writes a response; True keeps the connection open."""


class Request:
    """What came in, and where to write."""

    def __init__(self, head: str, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.split("\r\n")
        self.method, self.path = first.split(" ")[:2]
        pairs = (line.split(": ", 1) for line in lines if ": " in line)
        self.headers = {name.lower(): value for name, value in pairs}
        self._writer = writer

    async def send(self, *chunks: bytes, pause_s: float = 0.0) -> None:
        for chunk in chunks:
            self._writer.write(chunk)
            await self._writer.drain()
            if pause_s:
                await asyncio.sleep(pause_s)

    def reset(self) -> None:
        self._writer.transport.abort()


def answer(
    body: bytes = b"",
    status: str = "200 OK",
    headers: tuple[str, ...] = (),
    length: int | None = None,
    pause_s: float = 0.0,
) -> Answer:
    """A well-formed response after a pause, unless `length` lies about the body."""
    n_bytes = len(body) if length is None else length
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {n_bytes}", *headers))
    is_kept = length is None

    async def write(request: Request) -> bool:
        if pause_s:
            await asyncio.sleep(pause_s)
        sent = b"" if request.method == "HEAD" else body
        await request.send(f"{head}\r\n\r\n".encode("utf-8", "surrogateescape") + sent)
        return is_kept

    return write


def redirect(target: str, status: str = "302 Found") -> Answer:
    return answer(b"", status, (f"Location: {target}",))


def picture(width: int = 300, height: int = 240, kind: str = "JPEG", seed: int = 0) -> bytes:
    """A picture with large patches of colour."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def pictures(n: int, pause_s: float = 0.0) -> dict[str, Answer]:
    """/0.jpg, /1.jpg …: all different."""
    return {f"/{i}.jpg": answer(picture(160 + i, 120, seed=i), pause_s=pause_s) for i in range(n)}


class HostileWeb:
    """`with HostileWeb(routes) as web: web.url("/a.jpg")`. A path without a route is a 404."""

    def __init__(
        self,
        routes: dict[str, Answer],
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.routes = routes
        self.host = host
        self.port = port
        self.paths: list[str] = []
        """Asked for, in order."""
        self.methods: list[str] = []
        """Of each of them."""
        self.agents: set[str] = set()
        self.n_connections = 0
        self.most_at_once = 0
        self._n_now = 0
        self._tls = tls
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def url(self, path: str, host: str | None = None) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{host or self.host}:{self.port}{path}"

    def count(self, path: str) -> int:
        return self.paths.count(path)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        listener = self._listener()
        self.port = listener.getsockname()[1]
        server = await asyncio.start_server(self._accept, sock=listener, ssl=self._tls)
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _listener(self) -> socket.socket:
        """On one address, or for host "" on every one of both families, on one port."""
        if self.host or not socket.has_dualstack_ipv6():
            return socket.create_server((self.host, self.port), backlog=1024)
        return socket.create_server(("", self.port), family=socket.AF_INET6, dualstack_ipv6=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.n_connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await reader.readexactly(1)
        if first == b"\x16":  # TLS, and we do not speak it
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return False
        head = first + await reader.readuntil(b"\r\n\r\n")
        request = Request(head.decode(), writer)
        self.paths.append(request.path)
        self.methods.append(request.method)
        self.agents.add(request.headers["user-agent"])
        self._n_now += 1
        self.most_at_once = max(self.most_at_once, self._n_now)
        try:
            route = self.routes.get(request.path, answer(b"no", "404 Not Found"))
            return bool(await route(request))
        finally:
            self._n_now -= 1
