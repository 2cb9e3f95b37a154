"""One bad record never costs the file: all that is whole before and behind it is found."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from io import BytesIO

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from archive_samples import (
    Pack,
    gzipped,
    page,
    pages,
    plain,
    read,
    texts_of,
    zstandard,
)
from archive_samples import record as warc_record
from webpairs_core.errors import PartCorrupt
from webpairs_crawler.archive.read import ArchiveSource, read_archive

PACKINGS: dict[str, Pack] = {"plain": plain, "gzip": gzipped, "zstd": zstandard}
N = 9
RECORDS = pages(N)


def names(*numbers: int) -> list[str]:
    return [f"picture number {i}" for i in numbers]


def damaged(pack: Pack, spoil: Callable[[bytes], bytes], at: int) -> bytes:
    parts = pack(RECORDS)
    parts[at] = spoil(parts[at])
    return b"".join(parts)


def flip(data: bytes, at: int, mask: int = 0xFF) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("at", [0, 4, N - 1])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_record(packing: str, at: int, share: float) -> None:
    batch = read(damaged(PACKINGS[packing], lambda d: d[: int(len(d) * share)], at))
    found = texts_of(batch)
    assert [text for text in found if text != names(at)[0]] == names(
        *(i for i in range(N) if i != at)
    )
    lost = sum(n for outcome, n in batch.outcomes.items() if outcome != "ok")
    assert sum(batch.outcomes.values()) == len(found) + lost
    if 0.0 < share < 0.99:
        assert lost == 1


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("at", [0, 4, N - 1])
@pytest.mark.parametrize(
    "junk", [b"garbage\r\n", b"\x1f\x8b\x08\0junk", b"(\xb5/\xfd!", b"WARC/1.0\r\nX"]
)
def test_garbage_between_records(packing: str, at: int, junk: bytes) -> None:
    batch = read(damaged(PACKINGS[packing], lambda d: junk * 3 + d, at))
    assert texts_of(batch) == names(*range(N))
    assert batch.outcomes["ok"] == N
    assert sum(batch.outcomes.values()) > N


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("length", [0, 10, 500, 3_000, 10**6, 10**9, 10**17])
@pytest.mark.parametrize("kind", ["response", "request"])
def test_a_length_that_lies(packing: str, length: int, kind: str) -> None:
    spoilt = warc_record(page(4), "http://a.example/4", kind, length)
    parts = PACKINGS[packing]([*RECORDS[:4], spoilt, *RECORDS[5:]])
    batch = read(b"".join(parts))
    assert texts_of(batch) == names(0, 1, 2, 3, 5, 6, 7, 8)
    counted = Counter(batch.outcomes) + Counter(batch.others)
    # A record that says it is empty may be believed; then its body is what lies between.
    assert sum(counted.values()) - N in (0, 1)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Content-Length:", b"X-Length:"),
        (b"Content-Length: ", b"Content-Length: x"),
        (b"Content-Length: ", b"Content-Length: -"),
        (b"WARC/1.0", b"WRAC/1.0"),
        (b"WARC-Type", b"WARC-T\0pe"),
        (b"\r\n\r\nHTTP", b"\r\nHTTP"),
    ],
)
def test_a_bad_header(packing: str, old: bytes, new: bytes) -> None:
    spoilt = RECORDS[4].replace(old, new, 1)
    batch = read(b"".join(PACKINGS[packing]([*RECORDS[:4], spoilt, *RECORDS[5:]])))
    assert texts_of(batch) == names(0, 1, 2, 3, 5, 6, 7, 8)


@pytest.mark.parametrize("packing", PACKINGS)
def test_line_ends_of_lf_alone(packing: str) -> None:
    bare = [one.partition(b"\r\n\r\n") for one in RECORDS]
    records = [head.replace(b"\r\n", b"\n") + b"\n\n" + rest for head, _, rest in bare]
    mixed = [*RECORDS[:3], *records[3:6], *RECORDS[6:]]
    for some in (records, mixed):
        batch = read(b"".join(PACKINGS[packing](some)))
        assert texts_of(batch) == names(*range(N))
        assert batch.outcomes == {"ok": N}


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(PACKINGS)),
    st.lists(
        st.tuples(
            st.integers(0, N - 1), st.sampled_from(("flip", "cut", "drop", "insert", "zero"))
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda one: one[0],
    ),
    st.integers(0, 2**32),
)
def test_random_damage(packing: str, blows: list[tuple[int, str]], seed: int) -> None:
    rng = random.Random(seed)
    parts = PACKINGS[packing](RECORDS)
    for at, blow in blows:
        data = parts[at]
        i = rng.randrange(len(data))
        j = min(len(data), i + rng.randrange(1, 400))
        parts[at] = {
            "flip": flip(data, i, 1 << rng.randrange(8)),
            "cut": data[:i],
            "drop": data[:i] + data[j:],
            "insert": data[:i] + rng.randbytes(j - i) + data[i:],
            "zero": data[:i] + bytes(j - i) + data[j:],
        }[blow]
    if not b"".join(parts).strip():
        return
    found = Counter(texts_of(read(b"".join(parts))))
    struck = {at for at, _ in blows}
    for i in range(N):
        if i not in struck:
            assert found[names(i)[0]] == 1
        else:
            assert found[names(i)[0]] <= 1


def test_a_zstd_archive_with_a_dictionary() -> None:
    words = zstd.train_dict([*RECORDS * 20], 4_000)
    frames = [zstd.compress(one, zstd_dict=words) for one in RECORDS]
    for content in (words.dict_content, zstd.compress(words.dict_content)):
        lead = b"\x5d\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content
        assert texts_of(read(lead + b"".join(frames))) == names(*range(N))
        cut = [*frames[:4], frames[4][:40], *frames[5:]]
        assert texts_of(read(lead + b"".join(cut))) == names(0, 1, 2, 3, 5, 6, 7, 8)


def test_an_archive_compressed_as_a_whole() -> None:
    records = [*RECORDS]
    [whole] = gzipped([b"".join(records)])
    assert texts_of(read(whole)) == names(*range(N))
    records[4] = warc_record(page(4), "http://a.example/4", length=3_000)
    [whole] = gzipped([b"".join(records)])
    assert texts_of(read(whole)) == names(0, 1, 2, 3, 5, 6, 7, 8)
    [whole] = gzipped([b"".join(pages(200))])
    found = texts_of(read(flip(whole, len(whole) // 2)))
    assert found[:50] == names(*range(50))
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("data", [b"", b"no archive\n" * 500, b"\x1f\x8b\x08" * 99, bytes(99_999)])
def test_no_archive_at_all(data: bytes) -> None:
    with pytest.raises(PartCorrupt, match=r"x\.warc"):
        read(data)


def test_a_stream_that_breaks_is_no_damage() -> None:
    class Breaks(BytesIO):
        def read(self, n_bytes: int | None = -1, /) -> bytes:
            if self.tell() > 600_000:
                raise ConnectionResetError("the peer is gone")
            return super().read(n_bytes)

    data = b"".join(gzipped(pages(4_000)))
    with pytest.raises(ConnectionResetError, match="the peer is gone"):
        list(read_archive(Breaks(data), ArchiveSource(name="x.warc")))


MEMORY = """
import sys, zlib
from webpairs_crawler.archive.read import ArchiveSource, read_archive
sys.path.insert(0, "tests")
from archive_samples import page, record

class Endless:
    '''An archive of 500 MB: a huge record, pages, and a length that lies at the end.'''
    def __init__(self, is_gzip):
        self.parts, self.is_gzip, self.rest = self.make(), is_gzip, b""
    def make(self):
        yield from pieces(record(b"HTTP/1.1 200 OK\\r\\n\\r\\n", length=400_000_019)[:-4], 400)
        for i in range(300):
            yield from pieces(record(page(i, 2_000), f"http://a.example/{i}"), 0)
        yield from pieces(record(b"x", length=10**15), 100)
    def read(self, n):
        while len(self.rest) < n:
            part = next(self.parts, None)
            if part is None:
                break
            self.rest += part
        data, self.rest = self.rest[:n], self.rest[n:]
        return data

def pieces(head, n_mb):
    yield head
    for _ in range(n_mb):
        yield b"\\n<p>" * 250_000
    if n_mb:
        yield b"\\r\\n\\r\\n"

class Gzipped(Endless):
    def make(self):
        for_each = zlib.compressobj(1, zlib.DEFLATED, 31)
        for part in super().make():
            if part.startswith(b"WARC/"):
                yield for_each.flush()
                for_each = zlib.compressobj(1, zlib.DEFLATED, 31)
            yield for_each.compress(part)
        yield for_each.flush()

stream = (Gzipped if sys.argv[1] == "gzip" else Endless)(False)
outcomes = {}
for batch in read_archive(stream, ArchiveSource(name="big")):
    for outcome, n in batch.outcomes.items():
        outcomes[outcome] = outcomes.get(outcome, 0) + n
# Not ru_maxrss: a child inherits the peak of whoever started it.
[peak] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(outcomes["ok"], int(peak.split()[1]) // 1024)
"""


@pytest.mark.parametrize("packing", ["plain", "gzip"])
def test_memory_does_not_grow_with_the_file(packing: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, packing], capture_output=True, text=True, check=True
    )
    n_ok, peak_mb = map(int, done.stdout.split())
    assert n_ok == 300
    assert peak_mb < 300
