"""The language of a text: recorded for every pair, and a reason to drop it when the recipe names
the languages to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.language.detect import UNKNOWN, DetectorName, load_detector
from webpairs_filters.patterns import first_reason

if TYPE_CHECKING:
    import pyarrow as pa

Code = Annotated[str, Meta(pattern="^[a-z]{2,3}$")]


class Language(PairFilter, frozen=True, kw_only=True, tag="language"):
    """Record the language of each text; drop what is not in `keep` with at least `min_score`.

    An empty `keep` drops nothing. `und` in `keep` keeps the texts whose language cannot be said;
    they have no score.
    """

    reasons: ClassVar[tuple[str, ...]] = ("language",)
    is_costly: ClassVar[bool] = True
    keep: tuple[Code, ...] = ()
    """ISO 639 codes, e.g. en, ko, zh."""
    min_score: Annotated[float, Meta(ge=0, le=1)] = 0.0
    detector: DetectorName = "auto"
    """auto, fast, langdetect or lingua: docs/adr/0012-language.md compares them."""

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        if not self.keep:
            return None
        import numpy as np

        [found] = load_detector(self.detector).detect([pair.text])
        # The column holds 32 bits: compare what is stored.
        is_sure = np.float32(found.score) >= np.float32(self.min_score)
        is_kept = found.lang in self.keep and (is_sure or found.lang == UNKNOWN)
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

        if not self.keep:
            return pa.nulls(len(batch), pa.string())
        lang, score = batch["lang"], batch["lang_score"]
        is_sure = pc.greater_equal(score, pa.scalar(self.min_score, pa.float32()))
        is_kept = pc.and_(
            pc.is_in(lang, pa.array(self.keep)), pc.or_(is_sure, pc.equal(lang, UNKNOWN))
        )
        return first_reason({"language": pc.invert(is_kept)})
