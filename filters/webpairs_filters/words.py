"""What a word is, in plain form and for a whole batch.

Words are what white space separates, folded, without what is neither letter, mark nor number at
either end; what is nothing then is no word ("a – b" has two). A character of a script written
without spaces (Han, kana, Thai …) is a word of its own with the marks that follow it, as the
tokenizers of BLEU and BERT have it: a Chinese phrase is not one word. But for that, it is how
OBELICS takes words (its `get_words_from_text`: split at white space, lower case, stripped).
"""

from __future__ import annotations

from functools import cached_property
from itertools import cycle
from typing import TYPE_CHECKING

from webpairs_filters.characters import (
    ALONE,
    SPACE,
    TAIL,
    WORD,
    Characters,
    characters_of,
    count,
    fold,
    folded,
    kind_of,
)

if TYPE_CHECKING:
    from collections.abc import Container

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


def words_of(text: str) -> list[str]:
    """The words of one text."""
    return words_as_written(fold(text))


def words_as_written(text: str) -> list[str]:
    """The same words before they are folded."""
    spaced = text if text.isascii() else _spaced(text)
    bare = (_strip(token) for token in spaced.split())
    return [word for word in bare if word]


def _spaced(text: str) -> str:
    """The text with a space on either side of what is a word of its own."""
    out: list[str] = []
    is_tail_next = False
    for character in text:
        kind = kind_of(character)
        if kind & ALONE or (is_tail_next and not kind & TAIL):
            out.append(" ")
        is_tail_next = bool(kind & (ALONE | TAIL))
        out.append(character)
    return "".join(out)


def _strip(token: str) -> str:
    first, last = 0, len(token)
    while first < last and not kind_of(token[first]) & WORD:
        first += 1
    while last > first and not kind_of(token[last - 1]) & WORD:
        last -= 1
    return token[first:last]


class Words:
    """The words of the texts of a batch; each part is made when a rule first asks for it."""

    def __init__(self, texts: pa.StringArray) -> None:
        self.characters: Characters = characters_of(texts)

    @cached_property
    def _places(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """First and last character of each word."""
        import numpy as np

        _, kinds, bounds = self.characters
        is_space = (kinds & SPACE) != 0
        is_new = np.empty(len(kinds), np.bool_)  # whether a token may start here
        is_new[:1] = True
        is_new[1:] = is_space[:-1]
        is_new[bounds[:-1][bounds[:-1] < len(kinds)]] = True
        is_own = (kinds & (ALONE | TAIL)) != 0
        if is_own.any():
            is_new |= (kinds & ALONE) != 0
            is_new[1:] |= is_own[:-1] & ((kinds[1:] & TAIL) == 0)
        token = np.cumsum(is_new, dtype=np.int32)
        inside = np.flatnonzero((kinds & WORD) != 0)
        of_token = token[inside]
        is_edge = of_token[1:] != of_token[:-1]
        edge = np.ones(1, np.bool_)[: len(inside)]
        first = inside[np.concatenate([edge, is_edge])]
        last = inside[np.concatenate([is_edge, edge])]
        return first, last

    @cached_property
    def bounds(self) -> npt.NDArray[np.int64]:
        """The words of text i are `bounds[i]` to `bounds[i + 1]`; shape (texts + 1,)."""
        import numpy as np

        return np.searchsorted(self._places[0], self.characters.bounds)

    @property
    def n_words(self) -> npt.NDArray[np.int64]:
        """Words of each text."""
        bounds = self.bounds
        return bounds[1:] - bounds[:-1]

    @property
    def first_kinds(self) -> npt.NDArray[np.uint8]:
        """The kind of the first character of each word; shape (words,)."""
        return self.characters.kinds[self._places[0]]

    @cached_property
    def _coded(self) -> tuple[npt.NDArray[np.int32], list[str]]:
        import numpy as np
        import pyarrow as pa

        first, last = self._places
        length = last + 1 - first
        # A word is the bytes of its code points here: Arrow finds the distinct ones exactly.
        step = np.zeros(len(self.characters.points) + 1, np.int8)
        step[first] = 1
        step[last + 1] -= 1
        kept = folded(self.characters)[np.cumsum(step[:-1], dtype=np.int8).view(np.bool_)]
        offsets = np.zeros(len(first) + 1, np.int64)
        np.cumsum(length * kept.itemsize, out=offsets[1:])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(kept)]
        spelt = pa.Array.from_buffers(pa.large_binary(), len(first), buffers).dictionary_encode()
        vocabulary = [str(word, "utf-32-le") for word in spelt.dictionary.to_pylist()]
        return spelt.indices.to_numpy(), vocabulary

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """Each word as its place in `vocabulary`; shape (words,)."""
        return self._coded[0]

    @property
    def vocabulary(self) -> list[str]:
        """The distinct words of the batch."""
        return self._coded[1]

    def are_in(self, words: Container[str]) -> npt.NDArray[np.bool_]:
        """For each word whether it is one of these; shape (words,)."""
        import numpy as np

        found = (word in words for word in self.vocabulary)
        return np.fromiter(found, np.bool_, len(self.vocabulary))[self.codes]

    @cached_property
    def are_repeated(self) -> npt.NDArray[np.bool_]:
        """For each word whether it stood before in its text; shape (words,)."""
        import numpy as np

        return repeats(self.codes.view(np.uint32), self.bounds)

    def count(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """How many words of each text a mask over words picks."""
        return count(mask, self.bounds)


def batch_words(texts: pa.StringArray) -> Words:
    """The words of these texts, made once for all rules that judge one batch.

    A memory of one entry, told by the memory that the array lies in: it holds the array, so that
    no other one can come to lie there.
    """
    global _last
    place = [len(texts), texts.offset, *(each and each.address for each in texts.buffers())]
    if _last is None or _last[0] != place:
        _last = place, texts, Words(texts)
    return _last[2]


_last: tuple[list[int | None], pa.StringArray, Words] | None = None

_SPREAD = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1)
"""Odd multipliers (the primes of xxHash32): one for each try at a free slot."""
_SLOTS = 4
"""Slots of the table for each value: a quarter full, few values meet another one."""


def repeats(
    values: npt.NDArray[np.uint32], bounds: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """For each value whether it stood before in its row `values[bounds[i]:bounds[i + 1]]`.

    Each row has its own stretch of one hash table, which stays in the fastest cache. All values
    are written at once, the first of a row last, so that it stands; who finds its own value there
    has its answer, who finds another one tries again with another multiplier: each round answers at
    least one value of each slot. Sorting says the same at several times the cost.
    """
    import numpy as np

    sizes = bounds[1:] - bounds[:-1]
    room = np.repeat((sizes * _SLOTS).astype(np.uint64), sizes)
    base = np.repeat(bounds[:-1] * _SLOTS, sizes)
    table = np.empty(len(values) * _SLOTS, np.int32)
    found = np.zeros(len(values), np.bool_)
    left = np.arange(len(values), dtype=np.int32)
    value = values
    for spread in cycle(_SPREAD):
        if not len(left):
            break
        slot = ((value * np.uint32(spread) * room) >> np.uint64(32)).view(np.int64) + base
        table[slot[::-1]] = left[::-1]
        holder = table[slot]
        is_same = values[holder] == value
        found[left] = is_same & (holder != left)
        is_left = ~is_same
        left, value, room, base = left[is_left], value[is_left], room[is_left], base[is_left]
    return found
