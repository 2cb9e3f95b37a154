"""Jobs for the decode pool that do what a broken decoder does; picklable, so in a module."""

import os
import pickle
import struct
import sys
import time
from pathlib import Path

from webpairs_core.records import Outcome
from webpairs_shards.image.decode_worker import Job
from webpairs_shards.image.processed import Processed


class _Touch:
    """Unpickling it makes a file."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (Path(self._path),)


def make_unruly_job() -> Job:
    """A job that obeys its data: abort, exit, hang, raise, eat memory; else ok."""
    return _unruly


def _unruly(data: bytes) -> Processed:
    if data == b"abort":
        os.abort()
    if data == b"exit":
        os._exit(0)
    if data == b"hang":
        time.sleep(600)
    if data.startswith(b"touch "):
        evil = pickle.dumps(_Touch(data.removeprefix(b"touch ").decode()))
        os.write(int(sys.argv[1]), struct.pack("!Q", len(evil)) + evil)
    if data == b"raise":
        raise RuntimeError("a decoder's bug: this traceback on stderr is part of a test")
    if data == b"memory":
        return Processed(outcome=Outcome.OK, data=bytes(len(bytearray(5 * 2**30)) and 1))
    return Processed(outcome=Outcome.OK, data=data[::-1], width=os.getpid())


def make_stillborn_job() -> Job:
    """A worker that dies at its start, as one with a broken installation does."""
    os._exit(3)
