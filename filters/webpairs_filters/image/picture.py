"""Filters on the image of a sample: its size, its file, what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta

from webpairs_filters.base import Facts, SampleFilter
from webpairs_filters.patterns import first_reason

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["jpeg", "png", "gif", "webp", "bmp", "avif"]
_FORMATS: tuple[Format, ...] = ("jpeg", "png", "gif", "webp", "bmp", "avif")


class ImageSize(SampleFilter, frozen=True, kw_only=True, tag="image_size"):
    """Drop images by their sides as received. `[image]` has bounds of its own, which save the
    decoding but need a new fetch when they change."""

    reasons: ClassVar[tuple[str, ...]] = ("image_too_small", "image_too_large", "image_aspect")
    min_side_px: Annotated[int, Meta(ge=0)] = 0
    """Of the shorter side."""
    max_side_px: Annotated[int, Meta(ge=1)] = 65_535
    """Of the longer side."""
    max_aspect: Annotated[float, Meta(ge=1)] = 65_535.0
    """Longer side over shorter side."""

    def reject(self, facts: Facts) -> str | None:
        """See the class."""
        short, long = sorted((facts.original_width, facts.original_height))
        if short < self.min_side_px:
            return "image_too_small"
        if long > self.max_side_px:
            return "image_too_large"
        return "image_aspect" if long > self.max_aspect * short else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `SampleFilter.reject_batch`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        sides = batch["original_width"], batch["original_height"]
        short, long = pc.min_element_wise(*sides), pc.max_element_wise(*sides)
        widest = pc.multiply(short.cast(pa.float64()), self.max_aspect)
        return first_reason(
            {
                "image_too_small": pc.less(short, self.min_side_px),
                "image_too_large": pc.greater(long, self.max_side_px),
                "image_aspect": pc.greater(long.cast(pa.float64()), widest),
            }
        )


class ImageFile(SampleFilter, frozen=True, kw_only=True, tag="image_file"):
    """Drop images by the file that was received."""

    reasons: ClassVar[tuple[str, ...]] = (
        "image_few_bytes",
        "image_many_bytes",
        "image_format",
        "image_animated",
    )
    min_bytes: Annotated[int, Meta(ge=0)] = 0
    max_bytes: Annotated[int, Meta(ge=1)] = 2**40
    formats: tuple[Format, ...] = _FORMATS
    """Those to keep."""
    animated: bool = True
    """Whether animations stay, as their first frame."""

    def reject(self, facts: Facts) -> str | None:
        """See the class."""
        if facts.bytes < self.min_bytes:
            return "image_few_bytes"
        if facts.bytes > self.max_bytes:
            return "image_many_bytes"
        if facts.format not in self.formats:
            return "image_format"
        return "image_animated" if facts.is_animated and not self.animated else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `SampleFilter.reject_batch`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kept = pa.array(self.formats, pa.string())
        return first_reason(
            {
                "image_few_bytes": pc.less(batch["bytes"], self.min_bytes),
                "image_many_bytes": pc.greater(batch["bytes"], self.max_bytes),
                "image_format": pc.invert(pc.is_in(batch["format"], kept)),
                "image_animated": pc.and_(batch["is_animated"], not self.animated),
            }
        )


class ImageBlank(SampleFilter, frozen=True, kw_only=True, tag="image_blank"):
    """Drop images that show nothing: one colour, or nearly."""

    reasons: ClassVar[tuple[str, ...]] = ("image_blank",)
    min_contrast: Annotated[float, Meta(ge=0, le=128)] = 2.0
    """See `Facts.contrast`; a page of text has about 20, a photograph 40 to 70."""

    def reject(self, facts: Facts) -> str | None:
        """See the class."""
        return "image_blank" if facts.contrast < self.min_contrast else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `SampleFilter.reject_batch`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        contrast = batch["contrast"].cast(pa.float64())
        return first_reason({"image_blank": pc.less(contrast, self.min_contrast)})


class Similarity(SampleFilter, frozen=True, kw_only=True, tag="similarity"):
    """Drop samples whose image and text a CLIP model finds unlike, by the score that `[score]`
    stored. Such a filter narrows what a dataset shows of the world's cultures (Pouget et al., "No
    filter", 2024): look at what it drops."""

    reasons: ClassVar[tuple[str, ...]] = ("similarity",)
    min: Annotated[float, Meta(ge=-1, le=1)] = 0.28
    """Cosine. LAION-5B took 0.28 with ViT-B/32 for English, LAION-400M 0.30; another model has
    another scale."""

    def reject(self, facts: Facts) -> str | None:
        """See the class; a sample without a score (NaN) is dropped."""
        return None if facts.similarity >= self.min else "similarity"

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `SampleFilter.reject_batch`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        similarity = batch["similarity"].cast(pa.float64())
        return first_reason({"similarity": pc.invert(pc.greater_equal(similarity, self.min))})
