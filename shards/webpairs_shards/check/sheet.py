"""A contact sheet: pictures with their captions, for eyes. The fastest way to see what data is."""

import io
import logging
import re
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from webpairs_core.files import write_atomic
from webpairs_shards.read.open import open_shards
from webpairs_shards.read.sample import RawSample

log = logging.getLogger(__name__)

_COLUMNS = 8
_PICTURE_PX = 160
_MARGIN_PX = 12
_FONT_PX = 13
_LINE_PX = 17
_LINES = 4
_WHITE = (255, 255, 255)
_INK = (40, 40, 40)
_CELL_WIDTH = _PICTURE_PX + _MARGIN_PX
_CELL_HEIGHT = _PICTURE_PX + _LINES * _LINE_PX + _MARGIN_PX

_CJK_FONTS = (
    # Latin, Korean, Chinese and Japanese; the better ones first.
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKkr-Regular.otf",
    "NotoSansKR-Regular.ttf",
    "SourceHanSans-Regular.ttc",
    "AppleSDGothicNeo.ttc",
    "Arial Unicode.ttf",
    "malgun.ttf",
    "NanumGothic.ttf",
    "DroidSansFallbackFull.ttf",
    "wqy-zenhei.ttc",
    "unifont.ttf",
)
_OTHER_FONTS = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf")
_CJK = re.compile(r"[\u2e80-\ud7af\uf900-\ufaff]")
"""Ideographs, kana and Hangul syllables."""


def contact_sheet(folder: Path, target: Path, n: int = 48) -> None:
    """Draw the first `n` samples of a shards folder (the shuffle made them a random draw) as a PNG.

    Characters that no installed font knows show as boxes. Raises as `open_shards`.
    """
    reader = open_shards(folder)
    n = min(n, reader.n_samples)
    columns = min(_COLUMNS, n)
    rows = -(-n // columns)
    size = (columns * _CELL_WIDTH + _MARGIN_PX, rows * _CELL_HEIGHT + _MARGIN_PX)
    sheet = Image.new("RGB", size, _WHITE)
    samples = [reader.read(number) for number in range(n)]
    reader.close()
    for number, sample in enumerate(samples):
        row, column = divmod(number, columns)
        corner = (_MARGIN_PX + column * _CELL_WIDTH, _MARGIN_PX + row * _CELL_HEIGHT)
        _draw(sheet, corner, sample)
    if not _first(_CJK_FONTS) and any(_CJK.search(sample.text) for sample in samples):
        log.warning(
            "no font with Korean, Chinese or Japanese was found, so such captions show boxes: "
            "install one, e.g. Noto Sans CJK"
        )
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    write_atomic(target, stream.getvalue())


def _draw(sheet: Image.Image, corner: tuple[int, int], sample: RawSample) -> None:
    left, top = corner
    with Image.open(io.BytesIO(sample.image)) as image:
        picture = ImageOps.contain(image.convert("RGB"), (_PICTURE_PX, _PICTURE_PX))
    # Pictures stand on the captions' line, in the middle of their cell.
    x = left + (_PICTURE_PX - picture.width) // 2
    sheet.paste(picture, (x, top + _PICTURE_PX - picture.height))
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(wrap(sample.text)):
        place = (left, top + _PICTURE_PX + 2 + number * _LINE_PX)
        pen.text(place, line, fill=_INK, font=_font())


def wrap(text: str) -> list[str]:
    """The lines of a caption: at most `_LINES`, none wider than a picture, cut with an ellipsis.

    Broken at spaces where there are some, else anywhere: Chinese and Japanese have none.
    """
    font = _font()
    lines: list[str] = []
    rest = text
    while rest and len(lines) < _LINES:
        n = _fitting(font, rest)
        if n < len(rest):
            space = rest.rfind(" ", 1, n + 1)
            n = space if space > 0 else n
        lines.append(rest[:n].strip())
        rest = rest[n:].lstrip()
    if rest:
        last = lines[-1]
        while last and font.getlength(last + "…") > _PICTURE_PX:
            last = last[:-1]
        lines[-1] = last + "…"
    return lines


def _fitting(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> int:
    """How many characters of `text` fit beside each other, at least one."""
    n = 1
    while n < len(text) and font.getlength(text[: n + 1]) <= _PICTURE_PX:
        n += 1
    return n


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return _first(_CJK_FONTS) or _first(_OTHER_FONTS) or ImageFont.load_default(_FONT_PX)


@cache
def _first(names: tuple[str, ...]) -> ImageFont.FreeTypeFont | None:
    """The first of these fonts that is installed."""
    for name in names:
        try:
            return ImageFont.truetype(name, _FONT_PX)
        except OSError:
            continue
    return None
