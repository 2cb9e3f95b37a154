"""Small lists as a user would bring them, for the filters that read one."""

from pathlib import Path
from tempfile import mkdtemp

_FOLDER = Path(mkdtemp(prefix="webpairs-lists-"))


def list_file(*lines: str | bytes, name: str = "") -> str:
    """The path of a new file of these lines."""
    path = _FOLDER / (name or f"list-{len(list(_FOLDER.iterdir()))}.txt")
    path.write_bytes(b"".join((x.encode() if isinstance(x, str) else x) + b"\n" for x in lines))
    return str(path)
