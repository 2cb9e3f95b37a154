"""A file server on loopback, with ranges, that can be told to fail as real ones do."""

import asyncio
import threading
from pathlib import Path
from typing import Self

from aiohttp import web


class FileServer:
    """`with FileServer(folder) as server: server.url("a.gz")`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.n_drops = 0
        """So many of the next bodies break off in the middle."""
        self.n_refusals = 0
        """So many of the next requests are answered with `refusal`."""
        self.refusal = 503
        self.has_ranges = True
        self.headers: dict[str, str] = {}
        """Sent with each body."""
        self.asked: list[str] = []
        """The paths of all GET requests."""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_get("/{name:.+}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = self.folder / request.match_info["name"]
        if self.n_refusals:
            self.n_refusals -= 1
            return web.Response(status=self.refusal)
        if not path.is_file():
            raise web.HTTPNotFound
        data = path.read_bytes()
        start, stop = 0, len(data)
        status, headers = 200, dict(self.headers)
        if self.has_ranges:
            headers["Accept-Ranges"] = "bytes"
            if request.http_range.start is not None:
                start, stop = request.http_range.start, min(request.http_range.stop or stop, stop)
                status = 206
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        else:
            headers["Accept-Ranges"] = "none"
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = stop - start
        await response.prepare(request)
        if request.method == "GET":
            self.asked.append(request.path)
            if self.n_drops:
                self.n_drops -= 1
                await response.write(data[start : (start + stop) // 2])
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(data[start:stop])
        await response.write_eof()
        return response
