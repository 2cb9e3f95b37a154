"""Balance in a few lines, to read and to hold the fast form to (tests/property/test_balance.py)."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from webpairs_filters.balance.spacing import spaced
from webpairs_filters.balance.unspaced import pattern
from webpairs_filters.options import BalanceRule

_BITS = 2**64


def holds(text: str, entry: str, *, ignore_case: bool) -> bool:
    """Whether a text holds an entry: as whole words, in scripts without spaces as any substring."""
    wanted = spaced(entry, ignore_case=ignore_case)
    return wanted != "" and pattern(wanted) in f" {spaced(text, ignore_case=ignore_case)} "


def lot(seed: int, key: bytes, entry: str) -> int:
    """64 bits that (seed, key, entry) alone decide. `entry` in its searched form."""
    first, second = (int.from_bytes(half, "little") for half in (key[:8], key[8:]))
    code = int.from_bytes(hashlib.blake2b(entry.encode(), digest_size=8).digest(), "little")
    return _mix(_mix(_mix(_mix(seed % _BITS) ^ first) ^ second) ^ code)


def balance(
    held: Mapping[bytes, Sequence[str]], per_entry: int, seed: int, rule: BalanceRule
) -> set[bytes]:
    """The keys that stay, of pairs that hold these distinct entries (key -> entries)."""
    counts = Counter(entry for entries in held.values() for entry in entries)
    lots = {(key, entry): lot(seed, key, entry) for key, held_ in held.items() for entry in held_}
    if rule == "metaclip":  # algorithm 1 of Xu et al. 2023
        return {k for (k, entry), n in lots.items() if n * counts[entry] < per_entry * _BITS}
    kept = set()
    for wanted in counts:
        keys = sorted((n, key) for (key, entry), n in lots.items() if entry == wanted)
        kept |= {key for _, key in keys[:per_entry]}
    return kept


def _mix(value: int) -> int:
    """SplitMix64 (Steele, Lea and Flood 2014)."""
    value = (value + 0x9E3779B97F4A7C15) % _BITS
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % _BITS
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % _BITS
    return value ^ (value >> 31)
