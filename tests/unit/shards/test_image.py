"""One image in, one stored picture or one reason out: on real and on made files."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import imagehash
import msgspec
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from hostile_web import picture
from image_files import pixels, png_head, saved, srgb_profile, swapped_profile
from webpairs_core.records import Outcome
from webpairs_shards.image.process import process_image
from webpairs_shards.image.processed import Processed
from webpairs_shards.image.sniff import sniff
from webpairs_shards.options import ImageSection

RED, GREEN, BLUE = (220, 20, 20), (20, 200, 20), (20, 20, 220)


def section(**fields: Any) -> ImageSection:
    return msgspec.convert({"min_side_px": 1, "max_aspect": 1e6} | fields, ImageSection)


def stored(data: bytes, **fields: Any) -> np.ndarray[Any, Any]:
    """The pixels of what is stored for `data`, without loss."""
    got = process_image(data, section(**({"format": "png", "resize": "none"} | fields)))
    assert got.outcome == Outcome.OK
    return pixels(got.data)


def quadrants(mode: str = "RGB") -> Image.Image:
    """64 × 32: red and green above, blue and white below."""
    image = Image.new("RGB", (64, 32), "white")
    for at, colour in (((0, 0), RED), ((32, 0), GREEN), ((0, 16), BLUE)):
        image.paste(colour, (*at, at[0] + 32, at[1] + 16))
    return image.convert(mode)


class TestOutcomes:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP"])
    def test_formats_of_browsers_are_decoded(self, kind: str) -> None:
        data = picture(300, 240, kind)
        assert sniff(data[:64]) == kind
        got = process_image(data, section())
        assert (got.outcome, got.width, got.height) == (Outcome.OK, 300, 240)
        assert (got.original_width, got.original_height) == (300, 240)

    @pytest.mark.parametrize("kind", ["TIFF", "ICO", "PPM", "TGA", "PDF", "JPEG2000"])
    def test_other_formats_are_not(self, kind: str) -> None:
        data = saved(quadrants(), kind)
        assert process_image(data, section()).outcome == Outcome.NOT_IMAGE

    @pytest.mark.parametrize("data", [b"", b"<html>", b"RIFF\0\0\0\0WAVE", b"\0\0\0\x18ftypheic"])
    def test_no_image(self, data: bytes) -> None:
        assert process_image(data, section()) == Processed(outcome=Outcome.NOT_IMAGE)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP"])
    def test_a_cut_file_is_corrupt(self, kind: str) -> None:
        data = picture(300, 240, kind)
        for share in (0.02, 0.3, 0.9):
            cut = data[: max(20, int(len(data) * share))]
            assert process_image(cut, section()).outcome == Outcome.CORRUPT, share

    def test_bombs_are_judged_by_their_header(self) -> None:
        tail = struct.pack(">I", 4) + b"IDAT" + zlib.compress(b"")[:4] + b"\0" * 4
        got = process_image(png_head(30_000, 30_000) + tail, section())
        assert got.outcome == Outcome.TOO_MANY_PIXELS
        # Pillow's own warning line lies at the same number, its error line at twice that
        assert process_image(png_head(10_000, 10_000) + tail, section()).outcome == (
            Outcome.TOO_MANY_PIXELS
        )

    def test_the_pixel_cap_is_the_recipes(self) -> None:
        data = picture(300, 240)
        at_the_line = section(max_pixels=72_000)
        assert process_image(data, at_the_line).outcome == Outcome.OK
        below = process_image(data, section(max_pixels=71_999))
        assert below.outcome == Outcome.TOO_MANY_PIXELS
        assert process_image(picture(30, 24), section(max_pixels=720)).outcome == Outcome.OK

    def test_small_and_long_pictures(self) -> None:
        strict = section(min_side_px=200, max_aspect=3.0)
        cases = {
            (199, 400): Outcome.SIDE_TOO_SHORT,
            (200, 200): Outcome.OK,
            (200, 600): Outcome.OK,
            (601, 200): Outcome.ASPECT_TOO_LONG,
            (1, 1): Outcome.SIDE_TOO_SHORT,
        }
        for (width, height), outcome in cases.items():
            got = process_image(picture(width, height, "PNG"), strict)
            assert got.outcome == outcome
            assert (got.original_width, got.original_height) == (width, height)

    def test_a_picture_too_small_is_not_decoded(self) -> None:
        cut = picture(100, 100, "JPEG")[:700]
        assert process_image(cut, section(min_side_px=200)).outcome == Outcome.SIDE_TOO_SHORT


class TestPixels:
    def test_all_exif_orientations_stand_upright(self) -> None:
        upright = quadrants()
        undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that lays it down
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            lying = (
                upright
                if orientation == 1
                else upright.transpose(Image.Transpose(undo[orientation]))
            )
            data = saved(lying, "PNG", exif=exif)
            assert np.array_equal(stored(data), np.asarray(upright)), orientation

    def test_real_cameras_agree(self, data_dir: Path) -> None:
        folder = data_dir / "hostile/exif-samples/orientation"
        for name in ("landscape", "portrait"):
            files = [folder / f"{name}_{i}.jpg" for i in range(1, 9)]
            found = [stored(file.read_bytes()) for file in files]
            assert len({each.shape for each in found}) == 1
            for each in found[1:]:
                assert np.abs(each - found[0]).mean() < 8

    def test_broken_exif_does_not_break_the_picture(self, data_dir: Path) -> None:
        files = sorted((data_dir / "hostile/exif-samples/invalid").glob("*.jpg"))
        assert files
        for file in files:
            assert process_image(file.read_bytes(), section()).outcome == Outcome.OK, file

    def test_transparency_lies_on_white(self) -> None:
        layer = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
        layer.putpixel((0, 0), (0, 0, 255, 255))
        layer.putpixel((1, 0), (0, 0, 0, 128))
        found = stored(saved(layer, "PNG"))
        assert found[0, 0].tolist() == [0, 0, 255]
        assert found[0, 1].tolist() == pytest.approx([127] * 3, abs=1)
        assert found[5, 5].tolist() == [255, 255, 255]

    @pytest.mark.parametrize("mode", ["P", "L", "RGB"])
    def test_a_transparent_colour_is_white(self, mode: str) -> None:
        image = Image.new(mode, (8, 8), 0)
        colour: Any = (0, 0, 0) if mode == "RGB" else 0
        assert (stored(saved(image, "PNG", transparency=colour)) == 255).all()

    def test_palette_grey_and_bilevel(self) -> None:
        assert np.abs(stored(saved(quadrants("P"), "GIF")) - np.asarray(quadrants())).max() < 60
        grey = np.asarray(quadrants("L"))
        assert np.array_equal(stored(saved(quadrants("L"), "PNG"))[..., 0], grey)
        assert set(np.unique(stored(saved(quadrants("1"), "PNG")))) == {0, 255}

    def test_sixteen_bits_are_scaled(self) -> None:
        ramp = np.linspace(0, 65_535, 64 * 64).astype(np.uint16).reshape(64, 64)
        found = stored(saved(Image.fromarray(ramp), "PNG"))
        assert np.abs(found[..., 0] - (ramp >> 8)).max() <= 1
        assert np.array_equal(found[..., 0], found[..., 2])

    def test_sixteen_bit_colour(self, data_dir: Path) -> None:
        suite = data_dir / "hostile/pngsuite/pngsuite"
        for name in ("basn0g16", "basn2c16"):  # the same ramps as their 8-bit brothers, nearly
            found = stored((suite / f"{name}.png").read_bytes())
            assert 60 < found.mean() < 200

    def test_cmyk_is_shown_as_colour(self) -> None:
        found = stored(saved(quadrants("CMYK"), "JPEG", quality=95))
        assert np.abs(found - np.asarray(quadrants())).mean() < 8

    def test_a_colour_profile_is_applied(self) -> None:
        lab_ish = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
        plain = quadrants()
        same = stored(saved(plain, "PNG", icc_profile=srgb_profile()))
        assert np.abs(same - np.asarray(plain)).max() <= 1
        # one that does not fit the picture, and no profile at all: colours stay
        for odd in (lab_ish.tobytes(), b"no profile"):
            assert np.array_equal(stored(saved(plain, "PNG", icc_profile=odd)), np.asarray(plain))

    def test_swapped_primaries_are_managed(self) -> None:
        plain = Image.new("RGB", (8, 8), (200, 50, 50))
        found = stored(saved(plain, "PNG", icc_profile=swapped_profile()))
        assert found[0, 0].tolist() == pytest.approx([50, 200, 50], abs=6)

    @pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
    def test_the_first_frame_of_an_animation(self, kind: str) -> None:
        frames = [Image.new("RGB", (32, 32), colour) for colour in (RED, GREEN, BLUE)]
        options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
        data = saved(
            frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options
        )
        assert np.abs(stored(data) - np.array(RED)).max() <= 2


class TestResize:
    @pytest.mark.parametrize(
        ("resize", "size", "expected"),
        [
            ("none", (400, 300), (400, 300)),
            ("keep_ratio", (400, 300), (133, 100)),
            ("keep_ratio", (300, 400), (100, 133)),
            ("keep_ratio", (90, 80), (90, 80)),
            ("keep_ratio_largest", (400, 300), (100, 75)),
            ("keep_ratio_largest", (1000, 2), (100, 1)),
            ("center_crop", (400, 300), (100, 100)),
            ("center_crop", (90, 80), (80, 80)),
            ("border", (400, 300), (100, 100)),
            ("border", (40, 30), (100, 100)),
        ],
    )
    def test_words(self, resize: str, size: tuple[int, int], expected: tuple[int, int]) -> None:
        got = process_image(picture(*size, "PNG"), section(resize=resize, size_px=100))
        assert (got.width, got.height) == expected
        assert pixels(got.data).shape == (expected[1], expected[0], 3)

    def test_border_is_white_around_the_middle(self) -> None:
        data = saved(Image.new("RGB", (40, 20), RED), "PNG")
        found = stored(data, resize="border", size_px=40)
        assert (found[:10] == 255).all()
        assert (found[30:] == 255).all()
        assert (found[10:30] == np.array(RED)).all()

    def test_center_crop_takes_the_middle(self) -> None:
        image = Image.new("RGB", (60, 20), RED)
        image.paste(GREEN, (20, 0, 40, 20))
        assert (stored(saved(image, "PNG"), resize="center_crop", size_px=20) == GREEN).all()

    def test_the_sides_after_orientation_count(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        data = saved(Image.new("RGB", (400, 200), RED), "JPEG", exif=exif)
        got = process_image(data, section(size_px=100))
        assert (got.width, got.height) == (100, 200)
        assert (got.original_width, got.original_height) == (400, 200)


class TestOutput:
    @pytest.mark.parametrize("format_", ["jpg", "webp", "png"])
    def test_nothing_but_pixels_is_stored(self, format_: str) -> None:
        exif = Image.Exif()
        exif[0x010E] = "SECRET-DESCRIPTION"
        exif.get_ifd(0x8825)[1] = "N"
        exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)
        options = {"exif": exif, "comment": b"SECRET-COMMENT", "icc_profile": srgb_profile()}
        data = saved(quadrants(), "JPEG", **options)
        assert b"SECRET" in data
        got = process_image(data, section(format=format_, resize="none"))
        assert b"SECRET" not in got.data
        with Image.open(io.BytesIO(got.data)) as image:
            assert not image.getexif()
            assert not {"exif", "icc_profile", "comment", "xmp"} & set(image.info)

    def test_equal_in_equal_out_in_another_process(self, tmp_path: Path) -> None:
        file = tmp_path / "x.jpg"
        file.write_bytes(picture(700, 500))
        code = (
            "import sys,hashlib;from pathlib import Path;"
            "from webpairs_shards.image.process import process_image as p;"
            "from webpairs_shards.options import ImageSection as S;"
            "print([hashlib.sha256(p(Path(sys.argv[1]).read_bytes(),S(format=f)).data).hexdigest()"
            " for f in ('jpg','webp','png')])"
        )
        runs = {
            subprocess.run(
                [sys.executable, "-c", code, str(file)],
                env=os.environ | {"PYTHONHASHSEED": seed},
                check=True,
                capture_output=True,
            ).stdout
            for seed in ("1", "2")
        }
        assert len(runs) == 1

    def test_quality_is_the_recipes(self) -> None:
        data = picture(300, 240)
        anew = [section(quality=q, reencode="always") for q in (20, 95)]
        low, high = (len(process_image(data, each).data) for each in anew)
        assert low < high


class TestPhash:
    def test_it_is_imagehashs(self, data_dir: Path) -> None:
        files = sorted((data_dir / "bench").rglob("*.jpg"))[::4]
        files += sorted((data_dir / "emoji/noto").rglob("*.png"))[::100]
        assert len(files) > 40
        for file in files:
            got = process_image(file.read_bytes(), section(resize="none", format="png"))
            with Image.open(file) as image:
                expected = imagehash.phash(_shown(image))
            assert f"{got.phash:016x}" == str(expected), file
            small = process_image(file.read_bytes(), section(format="png"))
            with Image.open(io.BytesIO(small.data)) as image:
                assert f"{small.phash:016x}" == str(imagehash.phash(image)), file

    def test_a_copy_at_another_size_is_near(self) -> None:
        one, other = (process_image(picture(*size), section()) for size in ((400, 300), (200, 150)))
        assert (one.phash ^ other.phash).bit_count() <= 4

    def test_it_does_not_depend_on_how_the_picture_is_stored(self) -> None:
        data = picture(400, 300)
        ways = ({"resize": "center_crop"}, {"format": "png"}, {"quality": 20})
        assert len({process_image(data, section(**way)).phash for way in ways}) == 1
        border, plain = (
            process_image(data, section(resize=resize)).phash
            for resize in ("border", "keep_ratio_largest")
        )
        assert border == plain


def _shown(image: Image.Image) -> Image.Image:
    """The picture upright on white, by other means than the code under test."""
    layer = ImageOps.exif_transpose(image).convert("RGBA")
    canvas = Image.new("RGB", layer.size, "white")
    canvas.paste(layer, mask=layer.getchannel("A"))
    return canvas
