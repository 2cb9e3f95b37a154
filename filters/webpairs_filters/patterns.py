"""A pattern that means the same to Python's `re` and to RE2, the engine inside Arrow.

The two disagree about classes (\\w is ASCII in RE2), about `$` before a line end and about folding
case beyond ASCII. So patterns here are lower case, match the whole text, fold ASCII letters only,
and spell their classes out; they hold no \\w, \\d, \\s, look-around or back reference. RE2 takes
linear time whatever it is given and `re` does not, so neighbouring repeats never share a character.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


class Pattern:
    """One of several alternatives, each for a whole text."""

    def __init__(self, *alternatives: str) -> None:
        self._text = "|".join(alternatives)
        self._compiled = re.compile(self._text, re.ASCII | re.IGNORECASE)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        return self._compiled.fullmatch(text) is not None

    def mask(self, texts: pa.Array) -> pa.Array:
        """The same for each text of a string array, as booleans."""
        import pyarrow.compute as pc

        return pc.match_substring_regex(pc.ascii_lower(texts), f"^(?:{self._text})$")


def first_reason(rules: Mapping[str, pa.Array | npt.NDArray[np.bool_]]) -> pa.Array:
    """For each row the first reason whose mask is true, as strings; null where none is.

    A mask is an Arrow or a numpy array of booleans.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    masks = [mask if isinstance(mask, pa.Array) else pa.array(mask) for mask in rules.values()]
    return pc.case_when(pc.make_struct(*masks), *rules)
