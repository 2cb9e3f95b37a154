"""Files of the user's, read so that no path leads anywhere it should not."""

import os
import posixpath
import stat

from webpairs_core.records import Outcome

MAX_TEXT_BYTES = 1 << 20
"""Of a caption or a JSON; a longer one is no caption but a mistake."""


class Refused(Exception):
    """Why a row has no image or no text: an outcome to count."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def read_file(path: str, root: str, max_bytes: int) -> bytes:
    """The bytes of a regular file that lies below `root`, a real path; "" permits any place.

    Nothing else is ever opened: a FIFO would wait for ever, a device may do anything. Raises
    Refused: missing_file, outside_source, too_large.
    """
    try:
        if root:
            path = _inside(path, root)
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a million times
            raise Refused(Outcome.MISSING_FILE)
        # It may have become something else in between: that does not block, and is looked at again.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refused(Outcome.MISSING_FILE)
            data = file.read(max_bytes + 1)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        raise Refused(Outcome.MISSING_FILE) from None
    if len(data) > max_bytes:
        raise Refused(Outcome.TOO_LARGE)
    return data


def read_text(path: str, root: str) -> bytes | None:
    """The bytes of a small file that describes an image; None when there is none.

    Raises Refused: outside_source, bad_row.
    """
    try:
        return read_file(path, root, MAX_TEXT_BYTES)
    except Refused as refused:
        if refused.outcome is Outcome.MISSING_FILE:
            return None
        if refused.outcome is Outcome.TOO_LARGE:
            raise Refused(Outcome.BAD_ROW) from None
        raise


def real(folder: os.PathLike[str]) -> str:
    """A folder's own path, for `read_file`."""
    return posixpath.realpath(folder)


def _inside(path: str, root: str) -> str:
    """The path without links. What is written as leading out is refused even if it is not there."""
    inside = root.rstrip("/") + "/"
    for found in (posixpath.normpath(path), posixpath.realpath(path)):
        if not found.startswith(inside):
            raise Refused(Outcome.OUTSIDE_SOURCE)
    return found
