"""Batches of worker processes: the stream of data.py, by the shards room's decoder."""

from itertools import islice
from pathlib import Path

import pytest
import torch

from samples_fixture import build_shards
from webpairs_core.errors import TrainError
from webpairs_shards.read.open import open_shards
from webpairs_trainer.data.batches import Batch, BatchPlan, batches
from webpairs_trainer.data.feed import device_batches, worker_batches
from webpairs_trainer.text.tokenizer import CaptionTokenizer

N = 24
PLAN = BatchPlan(seed=3, batch_size=6, image_size=16, context_length=24, crop_scale=0.9, threads=2)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("feed"), N)


@pytest.fixture(scope="module")
def tokenizer(shards: Path) -> CaptionTokenizer:
    reader = open_shards(shards)
    return CaptionTokenizer.train([reader.read(i).text for i in range(N)], 300)


def taken(shards: Path, tokenizer: CaptionTokenizer, n: int, start: int = 0) -> list[Batch]:
    stream = worker_batches(open_shards(shards), tokenizer, PLAN, start)
    found = list(islice(stream, n))
    stream.close()
    return found


def test_the_same_samples_as_by_threads(shards: Path, tokenizer: CaptionTokenizer) -> None:
    stream = batches(open_shards(shards), tokenizer, PLAN, 0)
    for mine, theirs in zip(taken(shards, tokenizer, 6), stream, strict=False):
        assert torch.equal(mine.tokens, theirs.tokens)
        assert mine.next_position == theirs.next_position
        assert mine.n_same_caption == theirs.n_same_caption
        # Another decoder, and a crop of whole pixels: other pictures differ by 70 levels.
        assert (mine.pixels.float() - theirs.pixels.float()).abs().mean() < 12
    stream.close()


def test_any_position_is_a_start(shards: Path, tokenizer: CaptionTokenizer) -> None:
    whole = taken(shards, tokenizer, 6)
    rest = taken(shards, tokenizer, 2, start=whole[3].next_position)
    for mine, theirs in zip(rest, whole[4:], strict=True):
        assert torch.equal(mine.pixels, theirs.pixels)
        assert torch.equal(mine.tokens, theirs.tokens)


def test_damage_makes_batches_smaller_and_is_counted(
    tmp_path: Path, tokenizer: CaptionTokenizer
) -> None:
    folder = build_shards(tmp_path, N)
    _spoil(folder, every=3)
    found = taken(folder, tokenizer, 4)
    assert sum(batch.n_broken for batch in found) == N // 3
    for batch in found:
        assert len(batch.pixels) == len(batch.tokens) == 6 - batch.n_broken
    assert [batch.next_position for batch in found] == [6, 12, 18, 24]


def test_a_batch_of_nothing_says_what_to_do(tmp_path: Path, tokenizer: CaptionTokenizer) -> None:
    folder = build_shards(tmp_path, N)
    stream = worker_batches(open_shards(folder), tokenizer, PLAN, 0)
    _spoil(folder, every=1)
    with pytest.raises(TrainError, match="webpairs verify"):
        next(stream)
    stream.close()


def test_a_cpu_keeps_the_threads(shards: Path, tokenizer: CaptionTokenizer) -> None:
    reader = open_shards(shards)
    stream = device_batches(reader, tokenizer, PLAN, 0, torch.device("cpu"))
    theirs = batches(open_shards(shards), tokenizer, PLAN, 0)
    assert torch.equal(next(stream).pixels, next(theirs).pixels)
    stream.close()
    theirs.close()


def _spoil(folder: Path, every: int) -> None:
    """Overwrite the captions' JSON of each `every`-th sample: its checksum is wrong then."""
    number = 0
    for tar in sorted(folder.glob("*.tar")):
        data = bytearray(tar.read_bytes())
        at = data.find(b'{"key":')
        while at >= 0:
            if number % every == 0:
                data[at + 2] ^= 1
            number += 1
            at = data.find(b'{"key":', at + 7)
        tar.write_bytes(bytes(data))
    assert number == N
