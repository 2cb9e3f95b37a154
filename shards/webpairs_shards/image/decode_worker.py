"""The life of a process that decodes images, and how it and the pool talk.

Apart from the pool, so that it starts without asyncio. What comes back is data (msgpack), never a
pickle: a decoder is where a hostile file would take over, and unpickling is running code.
"""

import pickle
import resource
import signal
import socket
import struct
from collections.abc import Callable
from functools import partial

import msgspec

from webpairs_core.process import die_with
from webpairs_core.records import Outcome
from webpairs_shards.image.processed import Processed
from webpairs_shards.options import ImageSection

Job = Callable[[bytes], Processed]
Factory = Callable[[], Job]
"""Called once in each worker: what imports much does so there and only there. Picklable."""

MEMORY_BYTES = 4 * 2**30
"""Address space of a worker. The largest picture allowed by default needs a third of it."""
READY = b"ready"
_LENGTH = struct.Struct("!Q")


class Pipe:
    """Messages over a stream socket: the length of each, then its bytes."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: bytes, timeout_s: float | None = None) -> None:
        """Raises OSError when nobody takes it, TimeoutError (one of them) when not in time."""
        self._end.settimeout(timeout_s)
        self._end.sendall(_LENGTH.pack(len(message)))
        self._end.sendall(message)

    def receive(self, timeout_s: float | None = None) -> bytes:
        """Raises EOFError at the end of the other side, OSError as `send` does."""
        self._end.settimeout(timeout_s)
        return self._exactly(*_LENGTH.unpack(self._exactly(_LENGTH.size)))

    def _exactly(self, n_bytes: int) -> bytes:
        found = self._end.recv(n_bytes, socket.MSG_WAITALL)
        while len(found) < n_bytes:
            more = self._end.recv(n_bytes - len(found), socket.MSG_WAITALL)
            if not more:
                raise EOFError
            found += more
        return found

    def close(self) -> None:
        """Let go of the socket."""
        self._end.close()


def image_job(section: ImageSection) -> Factory:
    """The job of the fetch stage: `process_image` by these options."""
    return partial(_make_image_job, section)


def _make_image_job(section: ImageSection) -> Job:
    from webpairs_shards.image.process import (
        process_image,  # numpy, imagehash: only workers pay for them
    )

    def process(data: bytes) -> Processed:
        try:
            return process_image(data, section)
        except MemoryError:
            return Processed(outcome=Outcome.DECODER_CRASHED)

    return process


def serve(pipe_fd: int, parent: int) -> None:
    """Make the job first, then take images and give results, until the pipe ends."""
    die_with(parent)
    # Signals to the whole group are the parent's business: a worker that died of one would make its
    # image look like one that crashes decoders.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, hard))
    pipe = Pipe(socket.socket(fileno=pipe_fd))
    factory: Factory = pickle.loads(pipe.receive())  # noqa: S301 - from our own parent
    job = factory()
    encode = msgspec.msgpack.Encoder().encode
    answer = READY
    while True:
        try:
            pipe.send(answer)
            data = pipe.receive()
        except (EOFError, OSError):  # nobody is there any more
            return
        answer = encode(job(data))
