"""Scenes and their captions."""

import random

import numpy as np
import pytest
from msgspec.structs import replace

from webpairs_filters.language.detect import DetectorName, load_detector
from webpairs_pipeline.demo.captions import LANGUAGES, caption, n_styles
from webpairs_pipeline.demo.scenes import (
    BACKGROUNDS,
    COLOURS,
    COMBINATIONS,
    HELD_OUT,
    SHAPES,
    SHOWN,
    Scene,
    backgrounds_for,
    draw,
    random_scene,
)

DETECTORS: tuple[DetectorName, ...] = ("auto", "langdetect")


def test_held_out_pairs_leave_every_word_to_be_learnt() -> None:
    assert len(HELD_OUT) == len(set(HELD_OUT)) == 16
    assert len(COMBINATIONS) == 80
    assert set(HELD_OUT).isdisjoint(SHOWN)
    assert {colour for colour, _ in SHOWN} == set(COLOURS)
    assert {shape for _, shape in SHOWN} == set(SHAPES)


def test_a_scene_is_drawn_the_same_each_time() -> None:
    scene = random_scene(random.Random(4))
    assert draw(scene).tobytes() == draw(scene).tobytes()
    assert draw(scene).tobytes() != draw(replace(scene, seed=scene.seed + 1)).tobytes()
    assert draw(scene).size == (scene.width, scene.height)


def test_random_scenes_are_within_bounds() -> None:
    rng = random.Random(0)
    scenes = [random_scene(rng) for _ in range(500)]
    for scene in scenes:
        short, long = sorted((scene.width, scene.height))
        assert 84 <= short <= long <= 320
        assert long < 1.4 * short
        assert scene.background in backgrounds_for(scene.colour)
    assert {scene.background for scene in scenes} == set(BACKGROUNDS)
    assert {scene.number for scene in scenes} == {1, 2, 3}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("number", [1, 3])
def test_objects_lie_where_the_caption_says(shape: str, number: int) -> None:
    scene = Scene(colour="blue", shape=shape, number=number, background="white", seed=9)
    for position, (axis, is_later) in {
        "left": (1, False),
        "right": (1, True),
        "top": (0, False),
        "bottom": (0, True),
    }.items():
        pixels = np.asarray(draw(replace(scene, position=position, size="small"))).astype(int)
        is_blue = pixels[:, :, 2] - pixels[:, :, 0] > 100
        assert is_blue.sum() > 150
        middle = np.argwhere(is_blue)[:, axis].mean() / is_blue.shape[axis]
        assert middle > 0.55 if is_later else middle < 0.45
        # Nothing is cut off.
        frame = np.concatenate([is_blue[0], is_blue[-1], is_blue[:, 0], is_blue[:, -1]])
        assert not frame.any()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_caption_leaves_its_language_in_doubt(language: str) -> None:
    rng = random.Random(language)
    texts = [
        caption(random_scene(rng, COMBINATIONS), language, style)
        for style in range(n_styles(language))
        for _ in range(25)
    ]
    for name in DETECTORS:
        for text, found in zip(texts, load_detector(name).detect(texts), strict=True):
            assert (found.lang, found.score > 0.6) == (language, True), (name, text, found)


def test_english_captions_name_colour_and_shape() -> None:
    rng = random.Random(1)
    for _ in range(200):
        scene = random_scene(rng)
        text = caption(scene, "en", rng.randrange(n_styles("en")))
        assert scene.name in text
        assert "a orange" not in text
