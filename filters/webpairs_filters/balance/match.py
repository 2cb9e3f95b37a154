"""Which entries each text holds."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webpairs_filters.balance.entries import distinct
from webpairs_filters.balance.spacing import spaced_slices
from webpairs_filters.balance.unspaced import UnspacedEntries, is_spaced
from webpairs_filters.balance.words import WordEntries

_LOW = np.int64(0xFFFFFFFF)
Numbers = npt.NDArray[np.uint32]


class Matcher:
    """A list of entries, ready to be found in texts; make one a process and use it for all parts.

    `entries` may be in any form: what is equal when spaced is one entry. Which texts hold an entry
    is said by `plain.holds`. About 100 bytes of memory an entry, besides the entry itself.
    """

    def __init__(self, entries: Sequence[str], *, ignore_case: bool = True) -> None:
        self.entries = distinct(entries, ignore_case=ignore_case)
        """In the order given, each in its searched form."""
        self.ignore_case = ignore_case
        is_words = np.fromiter(map(is_spaced, self.entries), np.bool_, len(self.entries))
        self._words = WordEntries(self.entries, _numbers(is_words))
        self._unspaced = UnspacedEntries(self.entries, _numbers(~is_words))

    def match(self, texts: pa.Array) -> pa.ListArray:
        """The numbers of the entries that each text holds, ascending, each once: list<uint32>.

        `texts` are strings; a null holds nothing. The result depends on each text alone.
        """
        lists = [pa.array([], pa.list_(pa.uint32()))]
        for piece in spaced_slices(texts, ignore_case=self.ignore_case):
            of_words, of_rest = self._words.find(piece), self._unspaced.find(piece)
            rows = np.concatenate([of_words[0], of_rest[0]])
            numbers = np.concatenate([of_words[1], of_rest[1]])
            lists.append(_lists(rows, numbers, piece.n_rows))
        return pa.concat_arrays(lists)


def _lists(rows: npt.NDArray[np.int64], numbers: Numbers, n_rows: int) -> pa.ListArray:
    both = rows << 32 | numbers
    both.sort()
    both = both[np.diff(both, prepend=-1) != 0]
    offsets = np.zeros(n_rows + 1, np.int32)
    np.cumsum(np.bincount(both >> 32, minlength=n_rows), out=offsets[1:])
    values = (both & _LOW).astype(np.uint32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))


def _numbers(mask: npt.NDArray[np.bool_]) -> Numbers:
    return np.flatnonzero(mask).astype(np.uint32)
