"""A server of byte ranges on loopback, written on bare sockets, that fails in every way we know."""

import asyncio
import gzip
import re
import threading
from collections import Counter
from pathlib import Path
from typing import Self

_RANGE = re.compile(rb"range: bytes=(\d+)-(\d+)", re.IGNORECASE)


class RangeServer:
    """`with RangeServer(folder) as server: open_shards(server.url)`."""

    def __init__(self, folder: Path, ending: str = ".tar") -> None:
        self.folder = folder
        self.ending = ending
        """Files with this ending suffer the faults, and are counted."""
        self.faults: list[str] = []
        """What happens to each of the next requests: drop, reset, silent, stall, whole, gzip,
        shift, less, more, moved, other, or an HTTP status."""
        self.always: str | None = None
        """What happens to all requests after those."""
        self.headers: list[str] = []
        """Lines that are added to refusals."""
        self.gate = 0
        """Answers wait until so many requests are there at once."""
        self.asked: Counter[str] = Counter()
        self.ranges: list[tuple[str, int, int]] = []
        """(name, start, end) of each request with a range for a file that counts."""
        self.targets: list[str] = []
        """Path and query of each request."""
        self.n_now = 0
        self.n_most = 0
        """Requests for files that count, at once."""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/some/shards"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def shut(self, gate: int) -> None:
        """Let answers wait again, until so many requests are there at once."""
        self.gate = gate
        self._loop.call_soon_threadsafe(self._open.clear)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._open = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._request(await reader.readuntil(b"\r\n\r\n"), writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _request(self, head: bytes, writer: asyncio.StreamWriter) -> bool:
        target = head.split(b" ", 2)[1].decode()
        self.targets.append(target)
        name = target.split("?")[0].rsplit("/", 1)[1]
        self.asked[name] += 1
        if not name.endswith(self.ending):
            return await self._answer("", name, head, writer)
        self.n_now += 1
        self.n_most = max(self.n_most, self.n_now)
        try:
            if self.n_now >= self.gate:
                self._open.set()
            await self._open.wait()
            fault = self.faults.pop(0) if self.faults else self.always or ""
            return await self._answer(fault, name, head, writer)
        finally:
            self.n_now -= 1

    async def _answer(
        self, fault: str, name: str, head: bytes, writer: asyncio.StreamWriter
    ) -> bool:
        path = self.folder / name
        if not path.is_file() and not fault:
            fault = "404"
        if fault == "reset":
            return False
        if fault == "silent":
            await asyncio.sleep(1000)
        if fault.isdigit():
            lines = "".join(f"{line}\r\n" for line in self.headers)
            writer.write(f"HTTP/1.1 {fault} No\r\nContent-Length: 0\r\n{lines}\r\n".encode())
            return True
        if fault == "moved":
            to = f"/elsewhere/{name}"
            writer.write(
                f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            return True
        data = path.read_bytes()
        if fault == "other":  # the shard has been replaced
            data = bytes(byte ^ 0xFF for byte in data)
        status, lines, body = "200 OK", "", data
        asked = _RANGE.search(head)
        if asked is not None:
            start, end = int(asked[1]), min(int(asked[2]) + 1, len(data))
            if name.endswith(self.ending):
                self.ranges.append((name, start, end))
            if start >= len(data):
                writer.write(b"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n")
                return True
            start += {"shift": 512}.get(fault, 0)
            end += {"less": -7, "more": 9}.get(fault, 0)
            if fault != "whole":
                status, body = "206 Partial Content", data[start:end]
                lines = f"Content-Range: bytes {start}-{end - 1}/{len(data)}\r\n"
        if fault == "gzip":
            body = gzip.compress(body)
            lines += "Content-Encoding: gzip\r\n"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode())
        if fault in ("drop", "stall"):
            writer.write(body[: len(body) // 2])
            await writer.drain()
            await asyncio.sleep(1000 if fault == "stall" else 0)
            return False
        writer.write(body)
        return True
