"""Parts of speech: which ones an English text must have. Needs the extra `pos`.

The tagger is TextBlob's PatternTagger, a lexicon with Brill's rules that lies in the wheel: nothing
is downloaded, and it tags some ten thousand texts a CPU second. Penn Treebank tags.
"""

from __future__ import annotations

import warnings
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from webpairs_core.errors import RecipeError
from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.text.words import words_of

if TYPE_CHECKING:
    import pyarrow as pa

Part = Literal["noun", "determiner", "preposition"]
_TAGS: dict[Part, tuple[str, ...]] = {
    "noun": ("NN", "NNS", "NNP", "NNPS"),
    "determiner": ("DT", "PDT", "WDT", "PRP$", "WP$"),
    "preposition": ("IN", "TO"),
}
"""Penn Treebank (Santorini 1990): possessives stand where determiners do, and `to` is a tag of its
own; the tagger gives IN to subordinating conjunctions as well."""
_CACHED_TEXTS = 65_536
_MAX_WORDS = 256
"""Of a text, from the first on: longer ones are no captions, and say what they are by then."""


class PartsOfSpeech(PairFilter, frozen=True, kw_only=True, tag="parts_of_speech"):
    """Drop English texts without a part of speech that they `need`, or of too many nouns.

    COYO-700M needs a noun; CC12M noun and determiner; CC3M noun, determiner and preposition, and
    drops texts of a high noun ratio (not published; 1.0 drops none). A Penn Treebank tagger knows
    English only: put `language` before it.
    """

    reasons: ClassVar[tuple[str, ...]] = (
        "text_no_noun",
        "text_no_determiner",
        "text_no_preposition",
        "text_many_nouns",
    )
    is_costly: ClassVar[bool] = True
    need: tuple[Part, ...] = ("noun",)
    max_noun_share: Annotated[float, Meta(ge=0, le=1)] = 1.0

    def reject(self, pair: Pair) -> str | None:
        """See the class. Raises RecipeError when the extra is not installed."""
        return self._judge(pair.text)

    def _judge(self, text: str) -> str | None:
        tags = _tags(text)
        for part, needed in _TAGS.items():
            if part in self.need and not any(tag in needed for tag in tags):
                return f"text_no_{part}"
        n_nouns = sum(tag in _TAGS["noun"] for tag in tags)
        return "text_many_nouns" if n_nouns > self.max_noun_share * len(tags) else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`; each different text is tagged once."""
        import pyarrow as pa

        texts = batch["text"].dictionary_encode()
        reasons = [self._judge(text) for text in texts.dictionary.to_pylist()]
        return pa.array(reasons, pa.string()).take(texts.indices)


@lru_cache(_CACHED_TEXTS)
def _tags(text: str) -> tuple[str, ...]:
    """The tags of what is a word in a text (`words`)."""
    head = " ".join(text.split(None, _MAX_WORDS)[:_MAX_WORDS])
    return tuple(tag for token, tag in _tagger().tag(head) if words_of(token))


@cache
def _tagger() -> Any:
    """The tagger, its lexicon read."""
    try:
        from textblob.en.taggers import PatternTagger
    except ImportError:
        raise RecipeError(
            "the filter parts_of_speech needs TextBlob: pip install 'webpairs[pos]'"
        ) from None
    tagger = PatternTagger()
    with warnings.catch_warnings():
        # It leaves the closing of its files to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        tagger.tag("a word")
    return tagger
