"""Images that nobody may have: a list of digests and perceptual hashes, from files of the user's.

One entry a line: `md5:…`, `sha1:…`, `sha256:…` of the file's bytes, `phash:…` (64-bit, as imagehash
prints it) or `pdq:…` (256-bit; Davis and Rosen, "The TMK+PDQF video-hashing algorithm and the PDQ
image-hashing algorithm", 2019), in hex. Without a word before it the length tells: 32, 40 and 64
digits are MD5, SHA-1 and SHA-256, 16 are a pHash.
"""

import hashlib
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from webpairs_core.errors import ListError
from webpairs_filters.options import BlocklistSection
from webpairs_filters.user_lists import lines_of, wrong_line

_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "phash": 16, "pdq": 64}
_BY_LENGTH = {n: name for name, n in reversed(_DIGITS.items()) if name != "pdq"}
_WORDS = npt.NDArray[np.uint64]


class ImageBlocklist:
    """What the files of `[blocklist]` name. Raises ListError for what is no entry."""

    def __init__(self, section: BlocklistSection) -> None:
        found: dict[str, set[bytes]] = {name: set() for name in _DIGITS}
        for path in section.files:
            for number, line in lines_of(path):
                name, _, digits = line.lower().rpartition(":")
                name = name.strip() or _BY_LENGTH.get(len(digits), "")
                try:
                    value = bytes.fromhex(digits)
                except ValueError:
                    value = b""
                if name not in _DIGITS or 2 * len(value) != _DIGITS[name]:
                    raise wrong_line(
                        path, number, "is no hash: give md5:, sha1:, sha256:, phash: or pdq: in hex"
                    )
                found[name].add(value)
        self._exact = {name: found[name] for name in ("md5", "sha1", "sha256") if found[name]}
        self._phashes = _words(found["phash"], 1)
        self._pdq = _words(found["pdq"], 4)
        self._section = section

    def __len__(self) -> int:
        return sum(map(len, self._exact.values())) + len(self._phashes) + len(self._pdq)

    @property
    def n_of_bytes(self) -> int:
        """MD5 and SHA-1: digests of the bytes received, which nobody keeps."""
        return sum(len(self._exact.get(name, ())) for name in ("md5", "sha1"))

    @property
    def has_pdq(self) -> bool:
        """Whether pictures must be looked at beside their pHash."""
        return len(self._pdq) > 0

    def names(self, data: bytes) -> bool:
        """Whether a file with these bytes is listed."""
        return any(
            hashlib.new(name, data, usedforsecurity=False).digest() in digests
            for name, digests in self._exact.items()
        )

    def names_sha256(self, sha256: str) -> bool:
        """Whether the file with this digest (hex) is listed as such."""
        return bool(sha256) and bytes.fromhex(sha256) in self._exact.get("sha256", ())

    def resembles(self, phash: int) -> bool:
        """Whether a listed pHash lies within `phash_distance` bits."""
        apart = np.bitwise_count(self._phashes[:, 0] ^ np.uint64(phash))
        return bool((apart <= self._section.phash_distance).any())

    def shows(self, picture: bytes) -> bool:
        """Whether the PDQ hash of an encoded picture lies within `pdq_distance` bits of a listed
        one. Pictures without detail (PDQ quality under 50) have no meaningful hash: False.

        Raises ListError where pdqhash is not installed.
        """
        if not self.has_pdq:
            return False
        try:
            import pdqhash
        except ModuleNotFoundError:
            raise ListError(
                "the blocklist holds PDQ hashes, and pdqhash is not installed: "
                "pip install webpairs[pdq]"
            ) from None
        from PIL import Image

        with Image.open(io.BytesIO(picture)) as image:
            bits, quality = pdqhash.compute(np.asarray(image.convert("RGB")))
        if quality < _PDQ_QUALITY:
            return False
        apart = np.bitwise_count(self._pdq ^ _words([np.packbits(bits).tobytes()], 4)).sum(axis=1)
        return bool((apart <= self._section.pdq_distance).any())


_PDQ_QUALITY = 50
"""PDQ's own recommendation: hashes of lower quality are not to be compared."""


def _words(values: "Sequence[bytes] | set[bytes]", n: int) -> _WORDS:
    joined = b"".join(sorted(values))
    return np.frombuffer(joined, ">u8").astype(np.uint64).reshape(-1, n)
