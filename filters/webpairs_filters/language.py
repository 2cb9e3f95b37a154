"""The language of a text: recorded for every pair, and a reason to drop it when the recipe names
the languages to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.detect import DetectorName, load_detector

if TYPE_CHECKING:
    import pyarrow as pa

Code = Annotated[str, Meta(pattern="^[a-z]{2,3}$")]


class Language(PairFilter, frozen=True, kw_only=True, tag="language"):
    """Record the language of each text; drop what is not in `keep` with at least `min_score`.

    An empty `keep` only records. `und` in `keep` keeps texts whose language cannot be said.
    """

    reasons: ClassVar[tuple[str, ...]] = ("language",)
    keep: tuple[Code, ...] = ()
    min_score: Annotated[float, Meta(ge=0, le=1)] = 0.0
    detector: DetectorName = "langdetect"

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        if not self.keep:
            return None
        [found] = load_detector(self.detector).detect([pair.text])
        is_kept = found.lang in self.keep and found.score >= self.min_score
        return None if is_kept else "language"

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Fill lang, lang_score and lang_detector; each different text is looked at once."""
        import pyarrow as pa

        texts = batch["text"].dictionary_encode()
        found = load_detector(self.detector).detect(texts.dictionary.to_pylist())
        columns = {
            "lang": pa.array([d.lang for d in found], pa.string()).take(texts.indices),
            "lang_score": pa.array([d.score for d in found], pa.float32()).take(texts.indices),
            "lang_detector": pa.repeat(self.detector, len(batch)),
        }
        for name, values in columns.items():
            place = batch.schema.get_field_index(name)
            batch = batch.set_column(place, batch.schema.field(place), values)
        return batch

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        nothing = pa.scalar(None, pa.string())
        if not self.keep:
            return pa.nulls(len(batch), pa.string())
        kept = pc.and_(
            pc.is_in(batch["lang"], pa.array(self.keep)),
            pc.greater_equal(batch["lang_score"], pa.scalar(self.min_score, pa.float32())),
        )
        return pc.if_else(kept, nothing, "language")
