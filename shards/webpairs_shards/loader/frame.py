"""How a finished batch goes from a worker to the loader: as memory, not as bytes in a pipe.

A frame is an anonymous file in memory (memfd, so Linux): the pixels, then msgpack of `BatchRows`.
Its descriptor goes over the socket together with one small message, when all is in it. So nobody
sees half a batch, nothing lies in /dev/shm, and what nobody holds any more is gone, however the
processes ended.
"""

import ctypes
import math
import mmap
import os
import socket
import weakref

import msgspec
import numpy as np

from webpairs_core.errors import StorageError
from webpairs_shards.loader.batch import BatchRows, Images

_MESSAGE_BYTES = 2**16
_SENTENCE = 10_000


class Made(msgspec.Struct, frozen=True, tag=True):
    """A batch is in the frame that comes with this message."""

    n: int
    """Images."""


class Ended(msgspec.Struct, frozen=True, tag=True):
    """There are no more batches."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The worker cannot go on."""

    error: str
    """Name of a class of `webpairs_core.errors`."""
    sentence: str


Message = Made | Ended | Failed
_encode = msgspec.msgpack.Encoder().encode
_decode_message = msgspec.msgpack.Decoder(Message).decode
_decode_rows = msgspec.msgpack.Decoder(BatchRows).decode

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_MAP_FAILED = ctypes.c_void_p(-1).value


class Outbox:
    """The worker's end: memory for the batch being made, and the socket that it leaves by."""

    def __init__(self, pipe: socket.socket) -> None:
        self._pipe = pipe
        self._frame = -1

    def allocate(self, shape: tuple[int, ...]) -> Images:
        """A new frame's images. One frame at a time: `send_batch` comes before the next. Raises
        StorageError where the machine has no memory."""
        n_bytes = math.prod(shape)
        try:
            self._frame = os.memfd_create("webpairs-batch", os.MFD_CLOEXEC)
            os.ftruncate(self._frame, n_bytes)
            return np.frombuffer(mmap.mmap(self._frame, n_bytes), np.uint8).reshape(shape)
        except OSError as error:
            raise StorageError(f"no memory for a batch ({error}): take fewer workers") from error

    def send_batch(self, images: Images, rows: BatchRows) -> None:
        """Hand over the frame, of which `images` are the first. Raises OSError when nobody is
        there."""
        frame, self._frame = self._frame, -1
        packed = _encode(rows)
        written = os.pwrite(frame, packed, images.nbytes)
        assert written == len(packed)
        os.ftruncate(frame, images.nbytes + written)
        message = _encode(Made(len(images)))
        socket.send_fds(self._pipe, [message], [frame], socket.MSG_NOSIGNAL)
        os.close(frame)

    def send(self, message: Ended | Failed) -> None:
        """Tell how it ended. Raises OSError when nobody is there."""
        self._pipe.send(_encode(message), socket.MSG_NOSIGNAL)


def failed(error: str, sentence: str) -> Failed:
    """The message; the sentence is cut to what a message may hold."""
    return Failed(error, sentence[:_SENTENCE].encode(errors="replace").decode())


def receive(pipe: socket.socket, side: int) -> tuple[Images, BatchRows] | Ended | Failed:
    """The next batch of a worker, or how it ended; `side` of an image in pixels.

    The images are the worker's memory itself, and it is let go of with the last array or tensor
    over it. Raises EOFError when the worker is gone, OSError where the machine refuses.
    """
    data, descriptors, _, _ = socket.recv_fds(pipe, _MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
    if not data:
        raise EOFError
    message: Message = _decode_message(data)
    if not isinstance(message, Made):
        return message
    if not descriptors:
        raise OSError("no descriptor is left for a batch")
    try:
        frame = _mapped(descriptors[0])
    finally:
        os.close(descriptors[0])
    shape = (message.n, 3, side, side)
    n_bytes = math.prod(shape)
    return frame[:n_bytes].reshape(shape), _decode_rows(frame[n_bytes:].data)


def _mapped(descriptor: int) -> Images:
    """The whole file. Not by `mmap.mmap`, which keeps a descriptor for as long as the memory: who
    holds a thousand batches would run out of them."""
    n_bytes = os.fstat(descriptor).st_size
    access = mmap.PROT_READ | mmap.PROT_WRITE
    # Private: what the loop writes into a batch is its own, also after a fork.
    address = _libc.mmap(None, n_bytes, access, mmap.MAP_PRIVATE, descriptor, 0)
    if address == _MAP_FAILED:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    buffer = (ctypes.c_ubyte * n_bytes).from_address(address)
    weakref.finalize(buffer, _libc.munmap, address, n_bytes).atexit = False
    return np.frombuffer(memoryview(buffer), np.uint8)
