"""Whatever several readers do with one cache, it stays within its bound and gives no wrong byte."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from webpairs_shards.stores.remote.cache import NodeCache

BLOCK = 4096
MAX_BYTES = 7 * BLOCK
N_FILES, N_READERS = 9, 3
SIZES = [1 + (i * 5_003) % (3 * BLOCK) for i in range(N_FILES)]
NAMES = [f"{i:064x}" for i in range(N_FILES)]
CONTENT = [bytes((i + j) % 255 + 1 for j in range(size)) for i, size in enumerate(SIZES)]
"""Without a zero: what has not been written reads as zeros."""
files = st.integers(0, N_FILES - 1)
readers = st.integers(0, N_READERS - 1)


class Cache(RuleBasedStateMachine):
    """Readers 0 and 1 share most of their files; reader 2 has the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = Path(self.scratch.name)
        self.names = [NAMES[:5], NAMES[:6], NAMES[6:]]
        self.readers = [self.opened(number) for number in range(N_READERS)]

    def opened(self, number: int) -> NodeCache:
        return NodeCache(self.folder, MAX_BYTES, self.names[number])

    @rule(number=readers, file=files, part=st.tuples(st.integers(0, 9), st.integers(1, 9)))
    def write(self, number: int, file: int, part: tuple[int, int]) -> None:
        start, n_bytes = (each * SIZES[file] // 10 for each in part)
        data = CONTENT[file][start : start + n_bytes]
        self.readers[number].write(NAMES[file], SIZES[file], start, data)

    @rule(number=readers, file=files)
    def read(self, number: int, file: int) -> None:
        found = self.readers[number].read(NAMES[file], SIZES[file], 0, SIZES[file])
        assert len(found) in (0, SIZES[file])
        assert all(byte in (0, CONTENT[file][at]) for at, byte in enumerate(found))

    @rule(number=readers)
    def close(self, number: int) -> None:
        self.readers[number].close()

    @rule(number=readers, file=files, is_finished=st.booleans())
    def claim(self, number: int, file: int, is_finished: bool) -> None:
        claim = self.readers[number].claim_index(NAMES[file], SIZES[file])
        other = self.readers[(number + 1) % N_READERS].claim_index(NAMES[file], SIZES[file])
        assert not claim.owns or not other.owns
        if is_finished:
            claim.finish(CONTENT[file])
        for each in (claim, other):
            each.close()

    @invariant()
    def is_within_its_bound(self) -> None:
        paths = [*self.folder.glob("tars/*"), *self.folder.glob("indexes/*")]
        assert sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in paths) <= MAX_BYTES

    def teardown(self) -> None:
        for reader in self.readers:
            reader.close()
        self.scratch.cleanup()


TestCache = Cache.TestCase
TestCache.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
