"""An order of all samples that nobody has to store: position in, sample out.

A Feistel network keyed by (seed, epoch) permutes the numbers below a power of four; numbers that
fall outside [0, n) walk on until they are inside (cycle walking), which keeps it one to one. So a
stream can start at any position at once, and holds nothing but its position. Not a cipher: it only
has to look unordered. Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]

_ROUNDS = 6
_MIN_HALF_BITS = 2
"""Fewer leave a tiny set with too few different orders."""
# The multipliers of splitmix64's finaliser (Steele, Lea and Flood, 2014).
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def permute(numbers: Numbers, n: int, seed: int, epoch: int) -> Numbers:
    """Where the order of (seed, epoch) puts each of `numbers`, all in [0, n); one to one.

    Arrays are uint64. Costs O(1) a number, whatever n is.
    """
    keys = _round_keys(seed, epoch)
    half = max((max(n - 1, 1).bit_length() + 1) // 2, _MIN_HALF_BITS)
    result = _feistel(numbers, keys, half)
    outside = np.flatnonzero(result >= n)
    while outside.size:
        result[outside] = _feistel(result[outside], keys, half)
        outside = outside[result[outside] >= n]
    return result


def _feistel(numbers: Numbers, keys: Numbers, half: int) -> Numbers:
    mask = np.uint64((1 << half) - 1)
    bits = np.uint64(half)
    left, right = numbers >> bits, numbers & mask
    for key in keys:
        left, right = right, left ^ (_mix(right ^ key) & mask)
    return (left << bits) | right


def _mix(x: Numbers) -> Numbers:
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


def _round_keys(seed: int, epoch: int) -> Numbers:
    text = f"webpairs order {seed} {epoch}".encode()
    return np.frombuffer(hashlib.shake_128(text).digest(8 * _ROUNDS), "<u8").astype(np.uint64)
