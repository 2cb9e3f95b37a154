"""Texts that say nothing about the image: file names and stock words."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.patterns import Pattern, first_reason

if TYPE_CHECKING:
    import pyarrow as pa

_FILE_NAME = Pattern(
    # ends in an image's extension: "sunset-2.jpg", "Screen Shot 10.15.23 AM.png"
    r"[^\n]*[^ ]\.(?:jpe?g|jfif|png|gif|webp|svg|bmp|tiff?|avif|heic|ico|psd)",
    # named by a camera, a phone or a screen shooter: DSC_0042, IMG-20240101-WA0007, P1010023
    r"_?(?:img|imgp|fb_img|dsc|dscn|dscf|cimg|mg|mvi|pict|pxl|gopr|sam|screenshot|scan|wp)"
    r"[ _-]?[0-9]{3}[0-9 ._-]*(?:wa[0-9]+)?(?: ?\([0-9]+\))?",
    r"p[0-9]{7}",
    # an address
    r"(?:https?://|www\.)[^ ]+",
    # a hash or a UUID
    r"[0-9a-f]{16,}",
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    # one ASCII word with an underscore is an identifier: hero_banner_2x
    r"[!-^`-~]*_[!-~]*",
)

_STOCK_WORDS = (
    "alt|alt text|avatar|background|banner|blank|button|caption|cover|default|featured image|figure"
    "|graphic|header|hero|hero image|icon|image|image description|images|img|loading|logo"
    "|main image|n/a|no image|none|null|photo|photograph|photos|pic|picture|pictures|placeholder"
    "|preview|screenshot|spacer|thumb|thumbnail|undefined|untitled"
    "|bild|foto|fotos|grafik|abbildung|logotipo|imagen|imágenes|imagem|immagine"
    "|사진|이미지|그림|로고|画像|写真|図|イメージ|ロゴ|图片|照片|图像|图|фото|Фото|изображение"
)
"""What an alt says when nobody wrote one, in the languages seen most."""

_MARKS = r"""[ !"#&'()*+,./:;<=>?@\[\]_|~-]*"""
_BOILERPLATE = Pattern(
    rf"{_MARKS}(?:(?:an?|the|my|your) )?(?:{_STOCK_WORDS})"
    rf"(?:[ _#-]*[0-9]+)?{_MARKS}"
)


class TextJunk(PairFilter, frozen=True, kw_only=True, tag="text_junk"):
    """Drop texts that say nothing about the image.

    A file name, an address or an identifier is `text_file_name`; a stock word alone, with or
    without an article, a number and punctuation ("Image 3", "[logo]"), is `text_boilerplate`.
    """

    reasons: ClassVar[tuple[str, ...]] = ("text_file_name", "text_boilerplate")

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        if _FILE_NAME.matches(pair.text):
            return "text_file_name"
        return "text_boilerplate" if _BOILERPLATE.matches(pair.text) else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        texts = batch["text"]
        return first_reason(
            {"text_file_name": _FILE_NAME.mask(texts), "text_boilerplate": _BOILERPLATE.mask(texts)}
        )
