"""Pictures to judge a model by: folders of classes, one for each (colour, shape).

`held_out` has the pairs that no page shows, `shown` the others in fresh scenes. Both list all 80
names in classnames.txt, so a model must choose among all of them.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from webpairs_pipeline.demo.pictures import Picture, encode
from webpairs_pipeline.demo.scenes import COMBINATIONS, HELD_OUT, SHOWN, draw, random_scene

_HELD_OUT_EACH = 12
_SHOWN_EACH = 4
_MULTIPLE_SHARE = 0.15
"""Of the pictures that have more than one object."""


def write_labelled(folder: Path) -> None:
    """Draw `held_out` and `shown` in `folder`; the same pictures each time."""
    _write(folder / "held_out", HELD_OUT, _HELD_OUT_EACH)
    _write(folder / "shown", SHOWN, _SHOWN_EACH)


def _write(folder: Path, combinations: Sequence[tuple[str, str]], n_each: int) -> None:
    rng = random.Random(f"labelled {folder.name}")
    folder.mkdir()
    names = "".join(f"{colour} {shape}\n" for colour, shape in COMBINATIONS)
    (folder / "classnames.txt").write_text(names, encoding="utf-8")
    for colour, shape in combinations:
        own = folder / f"{colour} {shape}"
        own.mkdir()
        for i in range(n_each):
            is_single = rng.random() >= _MULTIPLE_SHARE
            scene = random_scene(rng, [(colour, shape)], is_single=is_single)
            picture = Picture(scene=scene, format="png")
            (own / f"{i:03d}.png").write_bytes(encode(picture, draw(scene)))
