"""Filters on the address of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter

if TYPE_CHECKING:
    import pyarrow as pa


class UrlJunk(PairFilter, frozen=True, kw_only=True, tag="url_junk"):
    """Drop addresses that cannot be a picture worth a caption."""

    reasons: ClassVar[tuple[str, ...]] = ("url_extension", "url_placeholder", "tracking_pixel")

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        del pair
        return None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        import pyarrow as pa

        return pa.nulls(len(batch), pa.string())
