"""Stable names and orders: equal on every machine, process and hash seed."""

import hashlib
import json

from webpairs_core.text import normalise_text

KEY_BYTES = 16
"""64 bits would collide at five billion rows; 128 do not."""


def pair_key(canonical_url: str, text: str) -> bytes:
    """The key of a pair: the first half of SHA-256 of URL, newline, normalised text (16 bytes).

    `canonical_url` is the WHATWG-serialised URL without its fragment.
    """
    return normal_pair_key(canonical_url, normalise_text(text))


def normal_pair_key(canonical_url: str, text: str) -> bytes:
    """`pair_key` of a text that is in its normal form already."""
    joined = f"{canonical_url}\n{text}"
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).digest()[:KEY_BYTES]


def shuffle_rank(seed: int, key: bytes) -> bytes:
    """Sort by this for a global shuffle that depends on (seed, key) alone (16 bytes)."""
    return hashlib.sha256(seed.to_bytes(8, "big", signed=True) + key).digest()[:KEY_BYTES]


VALIDATION_SALT = b"validation"
"""So that the side of a sample has nothing to do with its place in the shuffle."""


def validation_bound(fraction: float) -> str:
    """A sample belongs to the validation side when SHA-256 of `VALIDATION_SALT` and its key, in
    hex, sorts before this. `fraction` is 0 to 0.5; a larger one has a larger bound."""
    return f"{int(fraction * 2**64):016x}"


def is_validation(key: bytes, fraction: float) -> bool:
    """On which side of the split a sample stands: by its key alone."""
    return hashlib.sha256(VALIDATION_SALT + key).hexdigest() < validation_bound(fraction)


def digest(value: object) -> str:
    """SHA-256 (64 hex) of a JSON-like value, the same for equal values in any key order."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
