"""Jobs for the decode pool that do what a broken decoder does; picklable, so in a module."""

import os
import time

from webpairs_core.records import Outcome
from webpairs_shards.decode_pool import Job
from webpairs_shards.processed import Processed


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
    if data == b"raise":
        raise RuntimeError("a decoder's bug: this traceback on stderr is part of a test")
    if data == b"memory":
        return Processed(outcome=Outcome.OK, data=bytes(len(bytearray(5 * 2**30)) and 1))
    return Processed(outcome=Outcome.OK, data=data[::-1], width=os.getpid())


def make_stillborn_job() -> Job:
    """A worker that dies at its start, as one with a broken installation does."""
    os._exit(3)
