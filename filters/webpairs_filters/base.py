"""What a filter is: a frozen struct whose fields are its recipe section and whose one method names
the reason to reject a pair, or None. No memory, no I/O, no clock: what remembers is deduplication.

pyarrow is imported inside the methods that need it: the recipe imports this module, and reading a
recipe must stay cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
from msgspec import Meta

from webpairs_core.records import Pair

if TYPE_CHECKING:
    import pyarrow as pa

UserFile = Annotated[str, Meta(min_length=1)]
"""The path of a list that the user brings (`user_lists` reads it)."""


class PairFilter(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="use", forbid_unknown_fields=True
):
    """Judges one pair by what its page says; runs before the image is fetched.

    `[[filters]]` / `use = "text_length"` / `min_chars = 5` in a recipe makes one.
    """

    reasons: ClassVar[tuple[str, ...]]
    """Every reason that this filter can give; snake_case, unique among all filters."""
    file_fields: ClassVar[tuple[str, ...]] = ()
    """The fields that hold paths of lists; a path that is empty is no list."""
    is_costly: ClassVar[bool] = False
    """Whether it is asked only for rows that no filter before it drops. Others are asked for every
    row, which is how the funnel knows what each rule would drop alone; they read nothing that
    `annotate` fills."""

    def files(self) -> list[str]:
        """The paths of the lists that it reads."""
        paths = (str(getattr(self, name)) for name in self.file_fields)
        return [path for path in paths if path]

    def reject(self, pair: Pair) -> str | None:
        """The reason to drop this pair; None when there is no objection."""
        raise NotImplementedError

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Fill the filter columns of a batch of schema candidates/2; only costly filters have
        some."""
        return batch

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """What `reject` says of each row, as strings with null for no objection.

        `batch` has schema candidates/2 and has been through `annotate`.
        """
        raise NotImplementedError
