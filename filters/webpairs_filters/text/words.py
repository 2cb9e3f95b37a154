"""What a word is, in plain form and for a whole batch.

Words are what white space separates, folded, without what is neither letter, mark nor number at
either end; what is nothing then is no word ("a – b" has two). A character of a script written
without spaces (Han, kana, Thai …) is a word of its own with the marks that follow it, as the
tokenizers of BLEU and BERT have it: a Chinese phrase is not one word. But for that, it is how
OBELICS takes words (its `get_words_from_text`: split at white space, lower case, stripped).
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from webpairs_filters.text.characters import (
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
from webpairs_filters.text.repeats import Repeats, repeats

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
    def _places(
        self,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """First character of each word, and the one after its last; for each character whether it
        is part of a word."""
        import numpy as np

        _, kinds, bounds = self.characters
        is_new = np.zeros(len(kinds) + 1, np.bool_)  # whether a word must start anew here
        np.not_equal(kinds & SPACE, 0, out=is_new[1:])
        is_new[bounds] = True
        is_own = (kinds & (ALONE | TAIL)) != 0
        if is_own.any():
            is_new[:-1] |= (kinds & ALONE) != 0
            is_new[1:-1] |= is_own[:-1] & ((kinds[1:] & TAIL) == 0)
        # Runs of letters, marks and numbers; a word may hold several (it's, 4-door).
        is_word = (kinds & WORD) != 0
        starts, ends = is_word.copy(), is_word.copy()
        starts[1:] &= ~is_word[:-1] | is_new[1:-1]
        ends[:-1] &= ~is_word[1:] | is_new[1:-1]
        first, last = np.flatnonzero(starts), np.flatnonzero(ends)
        token = np.cumsum(is_new, dtype=np.int32)[first]
        is_edge = token[1:] != token[:-1]
        is_word[_ranges(last[:-1][~is_edge] + 1, first[1:][~is_edge])] = True
        edge = np.ones(1, np.bool_)[: len(first)]
        ends_at = 1 + last[np.concatenate([is_edge, edge])]
        return first[np.concatenate([edge, is_edge])], ends_at, is_word

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

        first, end, is_kept = self._places
        # A word is the bytes of its code points here: Arrow finds the distinct ones exactly.
        kept = folded(self.characters)[is_kept]
        offsets = np.zeros(len(first) + 1, np.int32)
        np.cumsum((end - first) * kept.itemsize, out=offsets[1:])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(kept)]
        spelt = pa.Array.from_buffers(pa.binary(), len(first), buffers).dictionary_encode()
        return spelt.indices.to_numpy(), _decoded(spelt.dictionary)

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

        found = np.array(list(map(words.__contains__, self.vocabulary)), np.bool_)
        return found[self.codes]

    @cached_property
    def n_again(self) -> npt.NDArray[np.int64]:
        """Of each text the words that stand again later in it."""
        return repeats(self._values, self.bounds, 1).again

    def phrases(self, n: int) -> Repeats:
        """How often phrases of `n` words stand again in each text."""
        # All words of a phrase that stands again stand again.
        return repeats(self._values, self.bounds, n, self.n_again >= n)

    @property
    def _values(self) -> npt.NDArray[np.uint32]:
        return self.codes.view("uint32")

    def of(self, text: int) -> list[str]:
        """The words of text number `text`: what `words_of` says of it."""
        start, end = self.bounds[text : text + 2]
        return [self.vocabulary[code] for code in self.codes[start:end].tolist()]

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


def _ranges(start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """start[0], start[0] + 1 … end[0] - 1, start[1] …"""
    import numpy as np

    sizes = end - start
    before = np.cumsum(sizes) - sizes
    places: npt.NDArray[np.int64] = np.arange(sizes.sum()) + np.repeat(start - before, sizes)
    return places


def _decoded(words: pa.BinaryArray) -> list[str]:
    """Words of UTF-32 as strings."""
    import numpy as np
    import pyarrow as pa

    offsets = np.frombuffer(words.buffers()[1], np.int32)[: len(words) + 1] // 4
    data = words.buffers()[2] or pa.py_buffer(b"")
    text = str(memoryview(data)[: offsets[-1] * 4], "utf-32-le")
    return [text[start:end] for start, end in pairwise(offsets.tolist())]
