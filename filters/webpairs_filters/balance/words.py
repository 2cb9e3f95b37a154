"""Entries of whole words, found by walking a trie of words, all texts of a slice at once.

A padded entry (" new york ") lies in a padded text where the words of the one stand in the other,
so that words can be compared instead of bytes: each word of a slice is looked up once, and a step
of the walk goes one word further from every place that is still on a path. It finds what an
automaton over bytes finds (a property test), in less of its time (benchmarks/balance.py).
"""

from collections.abc import Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webpairs_filters.balance.spacing import Slice, row_ends, token_array

_NONE = -1
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio (Knuth, The Art of Computer Programming 3, section 6.4)."""
_SLOTS_PER_EDGE = 8
Nodes = npt.NDArray[np.int64]


class WordEntries:
    """Finds some entries of a list, given by their numbers in it.

    A node of the trie is the words that lead to it. The nodes of one word are the words themselves;
    an edge is its upper node and the next word, as the two halves of 64 bits.
    """

    def __init__(self, entries: Sequence[str], numbers: npt.NDArray[np.uint32]) -> None:
        # The entries are distinct and spaced, so that their words make one slice.
        joined = "".join(f"{entries[number]} \0 " for number in numbers).encode("utf-8")
        tokens = token_array(joined)
        marks = np.flatnonzero(row_ends(tokens))
        encoded = tokens.dictionary_encode()
        codes = encoded.indices.to_numpy().astype(np.int64)
        words = encoded.dictionary.to_pylist()
        self._codes: dict[bytes, int] = {word: code for code, word in enumerate(words)}
        self._codes.pop(b"\0 ", None)
        starts = np.concatenate(([0], marks[:-1] + 1)).astype(np.int64)[: len(marks)]
        leaves = self._grow(codes, starts, marks - starts, len(words))
        self._ends[leaves] = numbers

    def _grow(self, codes: Nodes, starts: Nodes, lengths: Nodes, n_words: int) -> Nodes:
        """Make the nodes and edges; say at which node each entry ends."""
        node = codes[starts]
        n_nodes = n_words
        edges, children = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for depth in range(1, int(lengths.max(initial=0))):
            longer = np.flatnonzero(lengths > depth)
            unique, place = np.unique(
                _edge(node[longer], codes[starts[longer] + depth]), return_inverse=True
            )
            edges.append(unique)
            children.append(np.arange(n_nodes, n_nodes + len(unique)))
            node[longer] = n_nodes + place
            n_nodes += len(unique)
        all_edges = np.concatenate(edges)
        order = np.argsort(all_edges)
        self._edges = all_edges[order]
        self._children = np.concatenate(children)[order]
        self._ends = np.full(n_nodes, _NONE, np.int64)
        n_bits = max(1, (len(all_edges) * _SLOTS_PER_EDGE - 1).bit_length())
        self._shift = np.uint64(64 - n_bits)
        # Most words that follow each other are no edge: one look here tells, without a search.
        self._slots = np.zeros(1 << n_bits, np.bool_)
        self._slots[(all_edges * _SPREAD) >> self._shift] = True
        return node

    def find(self, piece: Slice) -> tuple[Nodes, npt.NDArray[np.uint32]]:
        """(row of the slice, number of the entry) of each match, repeats included."""
        tokens = token_array(piece.joined)
        codes = self._look_up(tokens)
        row_of = np.cumsum(row_ends(tokens))
        rows, found = [np.empty(0, np.int64)], [np.empty(0, np.uint32)]
        places = np.flatnonzero(codes != _NONE)
        node = codes[places]
        depth = 0
        while len(places):
            ends = self._ends[node]
            is_end = ends != _NONE
            rows.append(row_of[places[is_end]])
            found.append(ends[is_end].astype(np.uint32))
            depth += 1
            # The last token ends a text and so is on no path: none runs over the end.
            following = codes[places + depth]
            goes_on = following != _NONE
            node, on_edge = self._step(node[goes_on], following[goes_on])
            places = places[goes_on][on_edge]
        return np.concatenate(rows), np.concatenate(found)

    def _look_up(self, tokens: pa.Array) -> Nodes:
        encoded = tokens.dictionary_encode()
        unique = encoded.dictionary.to_pylist()
        codes = np.fromiter(map(self._codes.get, unique, repeat(_NONE)), np.int64, len(unique))
        looked_up: Nodes = codes[encoded.indices.to_numpy()]
        return looked_up

    def _step(self, node: Nodes, word: Nodes) -> tuple[Nodes, Nodes]:
        """The nodes reached, and which of the places reach one."""
        wanted = _edge(node, word)
        maybe = np.flatnonzero(self._slots[(wanted * _SPREAD) >> self._shift])
        wanted = wanted[maybe]
        at = np.searchsorted(self._edges, wanted)
        is_edge = self._edges[np.minimum(at, len(self._edges) - 1)] == wanted
        return self._children[at[is_edge]], maybe[is_edge]


def _edge(node: Nodes, word: Nodes) -> npt.NDArray[np.uint64]:
    return (node << 32 | word).view(np.uint64)
