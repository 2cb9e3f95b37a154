"""Batches are the same with any number of workers and ranks; damage is counted."""

import io
import random
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from samples_fixture import build_shards
from webpairs_core.errors import ShardCorrupt
from webpairs_shards import Mixture, open_shards
from webpairs_shards.batches import Batch, BatchLoader, BatchOptions
from webpairs_shards.format.index import read_index
from webpairs_shards.loader.pixels import centre_square, random_square

N = 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("batches"), N, samples_per_shard=7)


def _loader(folder: Path, workers: int = 0, **options: int) -> BatchLoader:
    settings = {"batch_size": 8, "image_size": 32} | options
    return BatchLoader(
        Mixture([(open_shards(folder), 1)]), BatchOptions(**settings), workers=workers
    )


def _same(found: list[Batch], wanted: list[Batch]) -> None:
    assert [batch["key"] for batch in found] == [batch["key"] for batch in wanted]
    assert [batch["text"] for batch in found] == [batch["text"] for batch in wanted]
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(found, wanted, strict=True))


def test_one_epoch_shows_each_sample_once(folder: Path) -> None:
    batches = list(_loader(folder, epochs=1))
    keys = [key for batch in batches for key in batch["key"]]
    assert len(keys) == len(set(keys)) == N
    assert [batch["image"].shape for batch in batches] == [(8, 3, 32, 32)] * 6 + [(2, 3, 32, 32)]
    assert all(batch["image"].dtype == torch.uint8 for batch in batches)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(folder: Path, workers: int) -> None:
    _same(list(_loader(folder, workers, epochs=2)), list(_loader(folder, epochs=2)))


def test_ranks_share_each_global_batch(folder: Path) -> None:
    whole = list(islice(_loader(folder, batch_size=12), 9))
    for world in (2, 3, 4):
        ranks = [
            islice(_loader(folder, batch_size=12 // world, rank=rank, world=world), 9)
            for rank in range(world)
        ]
        for one, *parts in zip(whole, *ranks, strict=True):
            assert sorted(one["key"]) == sorted(key for part in parts for key in part["key"])
            assert {part["position"] for part in parts} == {one["position"]}


def test_damage_is_counted_and_too_much_of_it_stops(tmp_path: Path) -> None:
    folder = build_shards(tmp_path, 20, samples_per_shard=10)
    tar = folder / "shard-000001.tar"
    size, sound = tar.stat().st_size, {s.key for s in islice(open_shards(folder).stream(0), 20)}
    second = read_index(tar.with_suffix(".idx")).records[1]
    with tar.open("r+b") as file:  # the size that the manifest says, and one sample inside
        file.truncate(int(second["image_offset"]))
        file.truncate(size)
    loader = _loader(folder, workers=1, epochs=1)
    seen = {key for batch in loader for key in batch["key"]}
    assert len(seen) == 11
    assert seen < sound
    assert loader.broken == {("shard-000001", "checksum"): 9}
    with pytest.raises(ShardCorrupt, match="samples in a row are broken"):
        for _ in _loader(folder, workers=1, max_broken_in_a_row=1):
            pass


def test_one_broken_sample_each_epoch_never_stops_them(tmp_path: Path) -> None:
    folder = build_shards(tmp_path, 12, samples_per_shard=10)
    tar = folder / "shard-000000.tar"
    data = bytearray(tar.read_bytes())
    data[data.index(open_shards(folder).read(3).image) + 9] ^= 1
    tar.write_bytes(data)
    loader = _loader(folder, epochs=6, max_broken_in_a_row=2)
    assert sum(len(batch["key"]) for batch in loader) == 6 * 11
    assert loader.broken.total() == 6


def test_a_picture_whose_header_claims_too_much_is_not_decoded() -> None:
    data = bytearray(_jpeg(40, 40))
    height = data.index(b"\xff\xc0") + 5  # of the frame header, then the width
    data[height : height + 4] = (20_000).to_bytes(2, "big") * 2
    with pytest.raises(ValueError, match="20000 × 20000 pixels"):
        random_square(bytes(data), 32, 0.9, random.Random(0))
    with pytest.raises(ValueError, match="20000 × 20000 pixels"):
        centre_square(bytes(data), 32)


def _jpeg(width: int, height: int, **options: int | str) -> bytes:
    wave = np.add.outer(np.arange(height), np.arange(width))
    pixels = np.stack([wave % 256, wave // 2 % 256, wave // 3 % 256], axis=2).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((width, height)).save(stream, "JPEG", **options)
    return stream.getvalue()


def test_the_middle_is_pillows_bicubic_within_rounding() -> None:
    data = _jpeg(300, 200, quality=95, subsampling=0)
    with Image.open(io.BytesIO(data)) as image:
        middle = image.crop((50, 0, 250, 200))
        wanted = np.asarray(middle.resize((64, 64), Image.Resampling.BICUBIC), np.int16)
    assert np.abs(centre_square(data, 64) - wanted).max() <= 3


@pytest.mark.parametrize("side", [16, 64, 112, 224, 400])
@pytest.mark.parametrize("size", [(256, 256), (640, 200), (31, 500), (1, 1)])
def test_a_random_square_has_its_size_and_is_drawn_by_its_seed(
    side: int, size: tuple[int, int]
) -> None:
    data = _jpeg(*size)
    first = random_square(data, side, 0.5, random.Random("a"))
    assert first.shape == (side, side, 3)
    assert np.array_equal(first, random_square(data, side, 0.5, random.Random("a")))


def test_transparency_is_on_white_and_a_cmyk_jpeg_decodes() -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(stream, "PNG")
    assert centre_square(stream.getvalue(), 8).min() == 255
    stream = io.BytesIO()
    Image.new("CMYK", (40, 40), (0, 255, 255, 0)).save(stream, "JPEG")
    red, green, blue = centre_square(stream.getvalue(), 8)[4, 4].tolist()
    assert red > 200
    assert max(green, blue) < 60
