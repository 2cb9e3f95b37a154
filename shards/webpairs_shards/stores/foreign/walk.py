"""One tar of somebody, walked: where each sample's image, JSON and caption lie.

Members belong together by webdataset's rule: neighbours whose names are equal up to the first dot
of the last part are one sample, what follows that dot is the ending, in any case of letters. A
sample without an image or without a caption keeps its number: it is told as broken when it is read.
"""

import struct
from array import array
from hashlib import sha256

import msgspec
import numpy as np

from webpairs_core.errors import ShardCorrupt
from webpairs_shards.format.index import RECORD, Records
from webpairs_shards.stores.foreign.hop import Member, Read, members

IMAGES = ("jpg", "png", "jpeg", "webp")
"""Endings that are images unless the user names some; open_clip's, in its order."""
_LARGEST = 0x7FFF_F000
"""What Linux gives in one read; RECORD has room for twice as much."""
_RECORD = struct.Struct("<16sQQQIIIIQ")
_LONG_KEY = struct.Struct("<7sQB")
_LONG = 0xFF
_SHORTEST_LONG = 16


class Endings(msgspec.Struct, frozen=True):
    """Which members make a sample, by their endings in lower case, without the first dot."""

    images: tuple[str, ...] = ()
    """Several may be mixed; the first one counts that a sample has. Empty: one of `IMAGES`, the
    same for the whole dataset."""
    caption: str = "txt"


class Walk(msgspec.Struct, frozen=True):
    """What a tar holds."""

    records: Records
    """dtype RECORD. `key` is what `key_of` understands, `reserved` and `crc32` are zero. A member
    that a sample has not got has zero bytes and lies where another one does."""
    images: tuple[str, ...]
    """Endings of images that occur."""
    first: tuple[str, ...]
    """All endings of the first sample."""

    def digest(self) -> str:
        """64 hex; another one where a member lies elsewhere or has another size or name."""
        return sha256(self.records.data).hexdigest()


def walk(read: Read, n_bytes: int, endings: Endings) -> Walk:
    """Walk a tar. Raises ShardCorrupt, in words that go on after its name, where it holds no
    samples, or any that webdataset would refuse or tear apart."""
    groups = _Groups(endings)
    for member in members(read, n_bytes):
        groups.add(member)
    return groups.done()


def split(name: bytes) -> tuple[bytes, bytes] | None:
    """Key and ending of a member, or None for one that belongs to no sample: without a dot, with
    one in front, or called `__NAME__`."""
    start = name.rfind(b"/") + 1
    dot = name.find(b".", start)
    if dot <= start or (name.startswith(b"__") and _is_meta(name)):
        return None
    return name[:dot], name[dot + 1 :].lower()


def key_of(field: bytes, read: Read, n_bytes: int) -> str:
    """The key that the 16 bytes of `RECORD.key` stand for: they hold a short one, and of a long one
    the place of its name in the tar. What is not UTF-8 comes as `\\xff`.

    Raises ShardCorrupt when the tar is no longer what was walked.
    """
    if field[15] != _LONG:
        return field.rstrip(b"\0").decode("utf-8", "backslashreplace")
    member = next(members(read, n_bytes, place_of(field)), None)
    parts = split(member[0]) if member else None
    if parts is None:
        raise ShardCorrupt("was changed since it was opened: open it again")
    return parts[0].decode("utf-8", "backslashreplace")


def place_of(field: bytes) -> int:
    """Where the name of a sample with a long key stands in its tar."""
    return int(_LONG_KEY.unpack(field)[1])


def _is_meta(name: bytes) -> bool:
    """webdataset skips `__NAME__` and what lies in a folder of such a name."""
    first, slash, _ = name.partition(b"/")
    return first.endswith(b"__") and len(first) > 3 if slash else name.endswith(b"__")


def _packed_key(key: bytes, header: int) -> bytes:
    if len(key) < _SHORTEST_LONG:
        return key
    return _LONG_KEY.pack(sha256(key).digest()[:7], header, _LONG)


class _Groups:
    """The samples of a tar as its members come by: 72 bytes for each, no matter how long."""

    def __init__(self, endings: Endings) -> None:
        self._images = [each.encode() for each in endings.images or IMAGES]
        self._caption = endings.caption.encode()
        self._needed = frozenset((*self._images, self._caption))
        self._wanted = self._needed | {b"json"}
        self._records = bytearray()
        self._hashes = array("q")
        """Of the keys of all groups of members."""
        self._torn: dict[int, bytes] = {}
        """Keys of the first samples without an image or a caption, by their hash."""
        self._seen: dict[bytes, None] = {}
        self._first: list[bytes] = []
        self._key = b""
        self._header = 0
        self._found: dict[bytes, tuple[int, int]] = {}
        self._dotted = b""

    def add(self, member: Member) -> None:
        """One member more."""
        name, header, data, n_bytes = member
        parts = split(name)
        if parts is None:
            return
        key, ending = parts
        if key != self._key:
            self._close()
            self._key, self._header = key, header
        if not self._records:
            self._first.append(ending)
        if ending not in self._wanted:
            if b"." in ending and ending.rpartition(b".")[2] in self._needed:
                self._dotted = self._dotted or name
            return
        if ending in self._found:
            raise ShardCorrupt(f"holds {_shown(name)} twice: keys have to differ, pack it anew")
        if n_bytes > _LARGEST:
            raise ShardCorrupt(f"holds {_shown(name)} of {n_bytes:,} bytes: 2 GiB is the most")
        self._found[ending] = data, n_bytes

    def done(self) -> Walk:
        """What was found."""
        self._close()
        if not self._records:
            wanted = f"{', '.join(each.decode() for each in self._images)} with a caption"
            raise ShardCorrupt(f"holds no sample ({wanted} .{self._caption.decode()})")
        self._check_torn()
        records = np.frombuffer(self._records, RECORD)
        first = tuple(sorted(each.decode("utf-8", "backslashreplace") for each in self._first))
        return Walk(records, tuple(each.decode() for each in self._seen), first)

    def _close(self) -> None:
        """Make a record of the members since the key changed."""
        found, self._found = self._found, {}
        dotted, self._dotted = self._dotted, b""
        if self._key:
            self._hashes.append(hash(self._key))
        images = [each for each in self._images if each in found]
        caption = found.get(self._caption)
        if dotted and not (images and caption):
            raise ShardCorrupt(
                f"holds {_shown(dotted)}: a name is cut at its first dot, so keys must have none; "
                "rename the members, or name their endings (Endings)"
            )
        if not images and caption is None:
            if not self._records:
                self._first.clear()
            return
        if not (images and caption) and len(self._torn) < 1000:
            self._torn[hash(self._key)] = self._key
        image = found[images[0]] if images else (caption[0] if caption else 0, 0)
        caption = caption or (image[0], 0)
        json = found.get(b"json", (image[0], 0))
        for each in images:
            self._seen[each] = None
        key = _packed_key(self._key, self._header)
        self._records += _RECORD.pack(
            key, image[0], json[0], caption[0], image[1], json[1], caption[1], 0, 0
        )

    def _check_torn(self) -> None:
        """A sample that lacks something, of a key that stands elsewhere too, was torn apart."""
        if not self._torn:
            return
        keys, counts = np.unique(np.array(self._hashes), return_counts=True)
        twice = set(keys[counts > 1].tolist())
        torn = next((key for number, key in self._torn.items() if number in twice), None)
        if torn is not None:
            raise ShardCorrupt(
                f"has the members of {_shown(torn)} in several places: those of a sample must lie "
                "together; sort them by name and pack it anew"
            )


def _shown(name: bytes) -> str:
    return repr(name[:200].decode("utf-8", "backslashreplace"))
