"""The server's side of a web on loopback: requests in, the answers of a `Site` out.

It remembers one thing only: which of the answers that heal have been asked for.
"""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from webpairs_pipeline.site import Answer, Site, content_type


async def serve_forever(site: Site, sockets: list[socket.socket], log: Path) -> None:
    """Answer on listening sockets until the process ends; one line in `log` for each request."""
    healed: set[str] = set()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        place = request.transport.get_extra_info("sockname")[0] + request.raw_path
        answer = find(site, place)
        if answer.heals and place not in healed:
            healed.add(place)
            answer = Answer(status=503)
        lines.write(f"{place} {answer.status}\n")
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        return await _send(request, answer)

    with log.open("a", buffering=1, encoding="utf-8") as lines:
        runner = web.ServerRunner(web.Server(handle, access_log=None))
        await runner.setup()
        for one in sockets:
            await web.SockSite(runner, one).start()
        await asyncio.Event().wait()


async def _send(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    body = body_of(answer)
    response = web.StreamResponse(status=answer.status)
    for name, value in answer.headers:
        response.headers.add(name, value)
    response.content_length = len(body)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    # A client that hangs up (it has its cap, or its time is over) is no fault of the server's.
    with suppress(ConnectionError):
        if answer.is_cut:
            await response.write(body[: len(body) // 2])
            assert request.transport is not None
            request.transport.close()
        else:
            await response.write(body)
            await response.write_eof()
    return response


def find(site: Site, place: str) -> Answer:
    """What a host answers for a raw path (`127.0.0.2/a%20b.html?c`); 404 when there is nothing."""
    if place in site.answers:
        return site.answers[place]
    host, _, path = place.partition("/")
    name = unquote(path.partition("?")[0])
    if host in site.folders and "\0" not in name:
        root = Path(site.folders[host])
        file = (root / name).resolve()
        if file.is_dir() and name and not name.endswith("/"):
            # Relative links of the folder's index.html need the slash.
            return Answer(status=301, headers=(("Location", f"/{path.partition('?')[0]}/"),))
        if file.is_dir():
            file /= "index.html"
        if file.is_relative_to(root) and file.is_file():
            return Answer(headers=(("Content-Type", content_type(file.name)),), file=str(file))
    return Answer(status=404, headers=(("Content-Type", "text/plain"),), body=b"not found\n")


def body_of(answer: Answer) -> bytes:
    """The bytes of an answer, wherever they lie."""
    if not answer.file:
        return answer.body
    with Path(answer.file).open("rb") as file:
        file.seek(answer.offset)
        return file.read(answer.length or -1)
