"""Batches: whole, in one order, whatever the threads and wherever they begin."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import pytest
import torch

from samples_fixture import build_shards
from tiny_models import TINY
from webpairs_core.errors import TrainError
from webpairs_shards.read.open import open_shards
from webpairs_shards.read.reader import ShardReader
from webpairs_shards.read.sample import RawSample
from webpairs_shards.stores.store import FolderStore
from webpairs_trainer.data.batches import Batch, BatchPlan, batches
from webpairs_trainer.text.tokenizer import CaptionTokenizer

N = 24
PLAN = BatchPlan(seed=3, batch_size=5, image_size=16, context_length=24, crop_scale=0.4)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("data"), N)


@pytest.fixture(scope="module")
def tokenizer(shards: Path) -> CaptionTokenizer:
    reader = open_shards(shards)
    captions = [reader.read(i).text for i in range(N)]
    return CaptionTokenizer.train(captions, TINY.text_cfg.vocab_size)


def take(
    reader: ShardReader, tokenizer: CaptionTokenizer, n: int, start: int = 0, **changes: int
) -> list[Batch]:
    plan = msgspec.structs.replace(PLAN, **changes)
    stream = batches(reader, tokenizer, plan, start)
    taken = list(islice(stream, n))
    stream.close()
    return taken


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a.pixels, b.pixels)
        and torch.equal(a.tokens, b.tokens)
        and a.next_position == b.next_position
        for a, b in zip(first, second, strict=True)
    )


def test_batches_are_full_and_count_the_stream(shards: Path, tokenizer: CaptionTokenizer) -> None:
    for i, batch in enumerate(take(open_shards(shards), tokenizer, 12), 1):
        assert batch.pixels.shape == (5, 3, 16, 16)
        assert batch.pixels.dtype == torch.uint8
        assert len(batch.tokens) == 5
        assert batch.tokens.shape[1] <= 24
        assert batch.next_position == 5 * i
        assert batch.n_broken == 0


def test_threads_change_nothing(shards: Path, tokenizer: CaptionTokenizer) -> None:
    one = take(open_shards(shards), tokenizer, 20, threads=1)
    assert same(one, take(open_shards(shards), tokenizer, 20, threads=4))


def test_any_position_is_a_start(shards: Path, tokenizer: CaptionTokenizer) -> None:
    whole = take(open_shards(shards), tokenizer, 14)
    rest = take(open_shards(shards), tokenizer, 7, start=whole[6].next_position)
    assert same(whole[7:], rest)


def test_crops_differ_from_epoch_to_epoch(shards: Path, tokenizer: CaptionTokenizer) -> None:
    whole = take(open_shards(shards), tokenizer, 2, batch_size=N)
    first, second = ({row.tobytes() for row in batch.pixels.numpy()} for batch in whole)
    assert not first & second
    assert {tuple(row.tolist()) for row in whole[0].tokens} == {
        tuple(row.tolist()) for row in whole[1].tokens
    }


def test_another_seed_is_another_order(shards: Path, tokenizer: CaptionTokenizer) -> None:
    first = take(open_shards(shards), tokenizer, 2)
    assert not same(first, take(open_shards(shards), tokenizer, 2, seed=4))


class Spoilt(ShardReader):
    """Shards some of whose images are noise, as another writer may leave them."""

    def __init__(self, reader: ShardReader, every: int) -> None:
        super().__init__(reader.folder, FolderStore(Path(reader.folder), reader.manifest))
        self._every = every

    def stream(
        self, seed: int, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[RawSample]:
        for sample in super().stream(seed, start, rank, world):
            is_spoilt = int(sample.key, 16) % self._every == 0
            yield msgspec.structs.replace(sample, image=b"no image") if is_spoilt else sample


def test_damaged_images_are_passed_by_and_counted(
    shards: Path, tokenizer: CaptionTokenizer
) -> None:
    whole = take(Spoilt(open_shards(shards), 3), tokenizer, 8)
    assert all(len(batch.pixels) == 5 for batch in whole)
    last = whole[-1]
    n_broken = sum(batch.n_broken for batch in whole)
    assert n_broken > 4
    assert last.next_position == 5 * len(whole) + n_broken
    rest = take(Spoilt(open_shards(shards), 3), tokenizer, 4, start=whole[3].next_position)
    assert same(whole[4:], rest)


def test_nothing_but_damage_stops(shards: Path, tokenizer: CaptionTokenizer) -> None:
    with pytest.raises(TrainError, match=r"100 images of .* in a row cannot be decoded"):
        take(Spoilt(open_shards(shards), 1), tokenizer, 1)


def test_equal_captions_are_counted(tmp_path: Path, tokenizer: CaptionTokenizer) -> None:
    class OneCaption(ShardReader):
        def stream(
            self, seed: int, start: int = 0, rank: int = 0, world: int = 1
        ) -> Iterator[RawSample]:
            for sample in super().stream(seed, start, rank, world):
                yield msgspec.structs.replace(sample, text="a kite")

    folder = build_shards(tmp_path, 8)
    reader = open_shards(folder)
    batch = take(OneCaption(str(folder), FolderStore(folder, reader.manifest)), tokenizer, 1)[0]
    assert batch.n_same_caption == 4
