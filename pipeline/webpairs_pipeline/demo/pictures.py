"""The files that the demo web serves as pictures: scenes encoded, copied, damaged.

Near-duplicates are decided by perceptual hashes, so the truth about them needs a gap: pictures that
count as different are at least 10 bits apart, planted copies at most 3. A scene that comes too
close to another one is drawn again with other jitter; sizes and contents stay, so the truth does
not depend on it.
"""

import io
from collections.abc import Sequence
from typing import Final, Literal

import imagehash
import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from webpairs_core.errors import WebpairsError
from webpairs_pipeline.demo.scenes import Scene, draw

APART: Final = 10
"""Bits between pictures that count as different; the pipeline calls 4 a near-duplicate."""
CLOSE: Final = 3
"""Bits between a planted copy and its original, and between copies of one original."""
PAD_BYTES: Final = 3_000_000
_ATTEMPTS = 200
_EXIF_ORIENTATION = 0x0112
_ROTATED_LEFT = 6

State = Literal["whole", "truncated", "rotated", "padded", "transparent"]
FORMATS: Final = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF"}


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """One file. A copy is made from the encoded bytes of the picture at index `copy_of`."""

    scene: Scene
    format: str = "jpg"
    quality: int = 88
    state: State = "whole"
    """rotated: stored on its side with an EXIF orientation; padded: followed by megabytes."""
    copy_of: int = -1
    scale: float = 1.0
    """Size of a copy: of its original's."""
    has_hash: bool = True
    """Whether it can come so far that near-duplicates are looked for."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return round(self.scene.width * self.scale), round(self.scene.height * self.scale)


def make_files(pictures: Sequence[Picture]) -> list[bytes]:
    """The bytes of all pictures, in order. Raises WebpairsError when they cannot be kept apart."""
    copies: dict[int, list[int]] = {}
    for index, picture in enumerate(pictures):
        if picture.copy_of >= 0:
            copies.setdefault(picture.copy_of, []).append(index)
    files = [b""] * len(pictures)
    taken = np.zeros(len(pictures), dtype=np.uint64)
    n_taken = 0
    for index, picture in enumerate(pictures):
        if picture.copy_of >= 0:
            continue
        group = [index, *copies.get(index, [])]
        made, hashes = _make_group([pictures[i] for i in group], taken[:n_taken])
        for i, data in zip(group, made, strict=True):
            files[i] = data
        taken[n_taken : n_taken + len(hashes)] = hashes
        n_taken += len(hashes)
    return files


def _make_group(
    group: list[Picture], taken: npt.NDArray[np.uint64]
) -> tuple[list[bytes], list[np.uint64]]:
    """An original and its copies, and their hashes; drawn again until the hashes are right."""
    original = group[0]
    for attempt in range(_ATTEMPTS):
        scene = msgspec.structs.replace(original.scene, seed=original.scene.seed + attempt)
        made = [encode(original, draw(scene))]
        if not original.has_hash:
            return made, []
        upright = decoded(made[0])
        made += [encode(copy, upright.resize(copy.size)) for copy in group[1:]]
        hashes = np.array([phash(decoded(data)) for data in made], dtype=np.uint64)
        is_close = bool((distances(hashes, hashes) <= CLOSE).all())
        if is_close and bool((distances(hashes, taken) >= APART).all()):
            return made, list(hashes)
    raise WebpairsError(
        f"the demo web has too many pictures to tell apart (after {len(taken)}): "
        "choose fewer with --set serve.pages="
    )


def encode(picture: Picture, image: Image.Image) -> bytes:
    """The file of a picture whose scene is drawn."""
    options: dict[str, object] = {}
    if picture.format in ("jpg", "webp"):
        options["quality"] = picture.quality
    if picture.state == "transparent":
        veil = Image.linear_gradient("L").resize(image.size).point(lambda v: 150 + v * 105 // 255)
        image.putalpha(veil)
    if picture.state == "rotated":
        exif = Image.Exif()
        exif[_EXIF_ORIENTATION] = _ROTATED_LEFT
        options["exif"] = exif
        image = image.transpose(Image.Transpose.ROTATE_90)
    buffer = io.BytesIO()
    image.save(buffer, FORMATS[picture.format], **options)
    data = buffer.getvalue()
    if picture.state == "truncated":
        return data[: len(data) * 2 // 5]
    return data + bytes(PAD_BYTES) if picture.state == "padded" else data


def decoded(data: bytes) -> Image.Image:
    """A file as a person sees it: upright, without transparency (on white), RGB."""
    with Image.open(io.BytesIO(data)) as opened:
        image = ImageOps.exif_transpose(opened)
    if image.mode == "RGBA":
        on_white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(on_white, image)
    return image.convert("RGB")


def phash(image: Image.Image) -> int:
    """imagehash's pHash as 64 bits, the first bit highest."""
    return int(str(imagehash.phash(image)), 16)


def distances(
    ones: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint8]:
    """Hamming distances, (len(ones), len(others))."""
    counts: npt.NDArray[np.uint8] = np.bitwise_count(ones[:, None] ^ others[None, :])
    return counts
