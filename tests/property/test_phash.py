"""Our hash is imagehash's, bit for bit, whatever the picture."""

import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from webpairs_shards.image import phash as module
from webpairs_shards.image.phash import phash


def by_imagehash(picture: Image.Image) -> int:
    return int(str(imagehash.phash(picture)), 16)


@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    levels=st.sampled_from([1, 2, 3, 16, 256]),
    coarse=st.integers(1, 40),
)
def test_it_is_imagehashs(seed: int, width: int, height: int, levels: int, coarse: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (-(-height // coarse), -(-width // coarse), 3)
    values = (rng.integers(0, levels, shape) * (255 // max(1, levels - 1))).astype(np.uint8)
    grown = values.repeat(coarse, 0).repeat(coarse, 1)[:height, :width]
    picture = Image.fromarray(np.ascontiguousarray(grown))
    assert phash(picture) == by_imagehash(picture)


@given(at=st.integers(0, 31), colour=st.integers(0, 255), is_row=st.booleans())
def test_symmetric_and_striped_pictures(at: int, colour: int, is_row: bool) -> None:
    values = np.zeros((32, 32), np.uint8)
    lines = values if is_row else values.T
    lines[at] = lines[31 - at] = colour
    picture = Image.fromarray(values).convert("RGB")
    assert phash(picture) == by_imagehash(picture)


def test_a_tie_is_left_to_imagehash_and_only_a_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Image.Image] = []

    def note(grey: Image.Image) -> int:
        asked.append(grey)
        return 7

    monkeypatch.setattr(module, "_by_imagehash", note)
    assert phash(Image.new("RGB", (40, 30), "white")) == 7
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert phash(Image.fromarray(noise)) != 7
    assert len(asked) == 1
