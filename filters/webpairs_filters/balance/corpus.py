"""The metadata list built from the corpus: its frequent words, and bigrams that mean one thing.

CLIP took all words that occur at least 100 times in the English Wikipedia "augmented with bi-grams
with high pointwise mutual information" (Radford et al. 2021, section 2.2). Words are those of
`spacing` that hold a letter or a digit; a bigram is two words with nothing between them. Its mutual
information in bits is log2(n_ab * N / (n_a * n_b)), N the number of words in the corpus.

Each part is counted alone, into a file; DuckDB adds the files up under a memory limit and spills.
So all is exact, and neither the order nor the cut of the parts changes the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from webpairs_core.errors import NothingLeft, PartCorrupt, StorageError
from webpairs_filters.balance.spacing import spaced_slices, token_array
from webpairs_filters.options import BalanceSection

_SCHEMA = pa.schema([("first", pa.string()), ("second", pa.string()), ("count", pa.int64())])
_MEMORY = "1GB"
_MAX_ENTRY_CHARS = 100
"""Longer ones are no words: addresses, digits, text without spaces that nobody cut."""


def count_words(texts: Iterable[pa.Array], path: Path, *, ignore_case: bool) -> None:
    """Count the words and bigrams of a part into a Parquet file: first, second, count; `second` is
    null for a word. A pair may stand in several rows, which add up."""
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for some in texts:
            for piece in spaced_slices(some, ignore_case=ignore_case):
                writer.write_table(_count_slice(piece.joined))


def build_entries(
    counted: Sequence[Path], section: BalanceSection, spill: Path, memory: str = _MEMORY
) -> tuple[str, ...]:
    """The entries of a corpus whose parts `count_words` has counted, the most frequent first.

    `spill` is a folder for DuckDB's own files. Raises NothingLeft when no word is frequent enough,
    StorageError when memory and the disk of `spill` are not enough, PartCorrupt for a damaged file.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
        "threads": 1,
    }
    with duckdb.connect(config=config) as db:
        # It draws on stdout, terminal or not, and stdout carries the command's result.
        db.execute("SET enable_progress_bar = false")
        try:
            entries = _select(db, [str(path) for path in counted], section)
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise StorageError(
                f"counting the words of the corpus needs more memory or disk than there is "
                f"({_line(error)}): free some space or raise [balance] min_count, and run the same "
                "command again"
            ) from error
        except duckdb.Error as error:
            raise PartCorrupt(
                f"a count of words in {counted[0].parent} is damaged ({_line(error)}): run the "
                "same command again with --fresh"
            ) from error
    if not entries:
        raise NothingLeft(
            f"no word of the corpus occurs {section.min_count} times: lower [balance] min_count, "
            "or give a list as [balance] entries"
        )
    return entries


def _select(
    db: duckdb.DuckDBPyConnection, paths: list[str], section: BalanceSection
) -> tuple[str, ...]:
    if not paths:
        return ()
    db.execute(
        "CREATE TABLE words AS SELECT first AS word, sum(count)::BIGINT AS n "
        "FROM read_parquet(?) WHERE second IS NULL GROUP BY first",
        [paths],
    )
    rows = db.execute(
        """
        WITH bigrams AS (
            SELECT first, second, sum(count)::BIGINT AS n
            FROM read_parquet($paths) WHERE second IS NOT NULL
            GROUP BY first, second HAVING sum(count) >= $min_count
        ), entries AS (
            SELECT word AS entry, n FROM words
            WHERE n >= $min_count AND length(word) <= $max_chars
            UNION ALL
            SELECT bigrams.first || ' ' || bigrams.second, bigrams.n
            FROM bigrams
            JOIN words AS a ON a.word = bigrams.first
            JOIN words AS b ON b.word = bigrams.second
            WHERE log2(bigrams.n::DOUBLE * (SELECT sum(n) FROM words) / (a.n::DOUBLE * b.n))
                >= $min_pmi
                AND length(bigrams.first) + length(bigrams.second) < $max_chars
        )
        SELECT entry FROM entries ORDER BY n DESC, entry LIMIT $max_entries
        """,
        {
            "paths": paths,
            "min_count": section.min_count,
            "min_pmi": section.min_pmi,
            "max_entries": section.max_entries,
            "max_chars": _MAX_ENTRY_CHARS,
        },
    ).fetchall()
    return tuple(entry for (entry,) in rows)


def _count_slice(joined: bytes) -> pa.Table:
    tokens = token_array(joined)
    encoded = tokens.dictionary_encode()
    words = [word.decode("utf-8")[:-1] for word in encoded.dictionary.to_pylist()]
    n_words = len(words)
    is_word = np.fromiter((any(map(str.isalnum, w)) for w in words), np.bool_, n_words)
    codes = encoded.indices.to_numpy().astype(np.int64)
    # The end of a text is no word, so that no bigram reaches over it.
    is_pair = is_word[codes[:-1]] & is_word[codes[1:]]
    pairs, n_pairs = np.unique(
        codes[:-1][is_pair] * n_words + codes[1:][is_pair], return_counts=True
    )
    n_each = np.bincount(codes, minlength=n_words)
    alone = np.flatnonzero(is_word)
    names = pa.array(words, pa.string())
    firsts = names.take(pa.array(np.concatenate([alone, pairs // n_words])))
    seconds = pa.concat_arrays(
        [pa.nulls(len(alone), pa.string()), names.take(pa.array(pairs % n_words))]
    )
    counts = pa.array(np.concatenate([n_each[alone], n_pairs]))
    return pa.table([firsts, seconds, counts], schema=_SCHEMA)


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]
