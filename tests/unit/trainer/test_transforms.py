"""Bytes to squares of pixels."""

import io
import random

from PIL import Image

from webpairs_trainer.data.transforms import centre_square, decode, random_square


def test_a_picture_may_be_taller_than_wide() -> None:
    # The square lies inside: no black bars from outside the picture.
    image = Image.new("RGB", (40, 90), "white")
    for i in range(50):
        assert random_square(image, 16, 0.2, random.Random(i)).min() == 255


def test_transparency_becomes_white_and_other_modes_rgb() -> None:
    for mode, colour in (("RGBA", (0, 0, 0, 0)), ("LA", (0, 0)), ("L", 255), ("1", 1)):
        stream = io.BytesIO()
        Image.new(mode, (20, 20), colour).save(stream, "PNG")
        pixels = centre_square(decode(stream.getvalue()), 8)
        assert pixels.shape == (8, 8, 3)
        assert pixels.min() == 255


def test_the_middle_is_kept_for_evaluation() -> None:
    image = Image.new("RGB", (60, 20), "red")
    image.paste("blue", (20, 0, 40, 20))
    assert (centre_square(image, 10)[:, 2:-2] == (0, 0, 255)).all()


def test_a_large_jpeg_is_decoded_no_larger_than_needed() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (800, 640), "green").save(stream, "JPEG")
    assert min(decode(stream.getvalue()).size) == 640
    assert 50 <= min(decode(stream.getvalue(), 50).size) < 100
