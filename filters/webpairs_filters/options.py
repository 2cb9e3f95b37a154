"""The recipe sections `[blocklist]`, `[dedup]`, `[decontaminate]` and `[balance]`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class DedupSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which duplicates go, and what the whole corpus shows too often."""

    by: Literal["url_text", "url", "none"] = "url_text"
    """What two pairs must share to be one: `url_text` the canonical URL and the normalised text
    (LAION-400M, COYO-700M), `url` the URL alone (MetaCLIP). Kept is the pair whose place comes
    first: by page, then by place on the page. `none` keeps every place where a pair was found as a
    candidate of its own, each with a key of its own (set near_duplicate_distance to -1 too, or
    their equal images go later)."""
    max_images_per_text: Annotated[int, Meta(ge=0)] = 0
    """A text that stands at more URLs than this describes none of them: its pairs go. ALIGN,
    COYO-700M and Wukong take 10. 0 is off. Counted are different (URL, text) of the whole run."""
    max_texts_per_image: Annotated[int, Meta(ge=0)] = 0
    """A URL with more texts than this is decoration: its pairs go. ALIGN takes 1,000. 0 is off.
    Counted like max_images_per_text, and before `by = "url"` leaves one text for each URL."""
    same_bytes: bool = True
    """Files with equal SHA-256 are one image."""
    near_duplicate_distance: Annotated[int, Meta(ge=-1, le=8)] = 4
    """Hamming distance of 64-bit pHashes up to which two images are one; -1 keeps all. Of images
    that are one the largest stays, then the one with the most words, then the smallest key."""
    keep_texts: bool = False
    """The texts of images that repeat another one stay as its `other_captions`."""


class BlocklistSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Images that nobody may have, by hashes: see `image_blocklist`."""

    files: tuple[str, ...] = ()
    """Lists of hashes. A listed image has the outcome `blocked`, and nothing else of it is kept.
    SHA-256, pHash and PDQ that come after a fetch count when the shards are planned: the picture is
    erased from samples/ and drops as `blocked`; its row with URL and hashes stays there."""
    phash_distance: Annotated[int, Meta(ge=0, le=16)] = 4
    """Bits of 64."""
    pdq_distance: Annotated[int, Meta(ge=0, le=63)] = 31
    """Bits of 256; 31 is PDQ's own recommendation."""


class DecontaminateSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Samples that show a picture of an evaluation set go: a model must not learn what it is judged
    by. OUT/plan/decontaminated.parquet says which went, and near what."""

    sets: tuple[str, ...] = ()
    """Folders, in which every picture and every .tar counts, however deep; or single .tar files
    (WebDataset's shards, ours or others'). Empty: nothing goes."""
    near_duplicate_distance: Annotated[int, Meta(ge=-1, le=8)] = 4
    """Hamming distance of 64-bit pHashes up to which a sample shows a picture of a set; -1 does not
    compare them."""
    min_similarity: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Cosine of the picture embeddings of `[score] checkpoint` from which on it does too; 0 does
    not compare them. Each model has a scale of its own: look at the list first."""


BalanceRule = Literal["clip", "metaclip"]


class BalanceSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often one word or name may bring a pair into the dataset (docs/adr/0014-balance.md)."""

    per_entry: Annotated[int, Meta(ge=0, le=2**62)] = 0
    """t: pairs that each entry of the list may choose; a pair stays when one of its entries chooses
    it. CLIP and MetaCLIP-400M took 20,000. 0 balances nothing and drops nothing."""
    rule: BalanceRule = "clip"
    """clip: an entry chooses exactly t pairs, or all it has; metaclip: each of its pairs with
    probability t / count, so that t is what it chooses on average."""
    entries: str = ""
    """A file with the list: one entry a line, or a JSON list (MetaCLIP's metadata.json). Empty: the
    list is built from the corpus and the fields below."""
    ignore_case: bool = True
    """`false` as in MetaCLIP's published code: entries with capitals match only capitals."""
    min_count: Annotated[int, Meta(ge=1)] = 100
    """How often a word or bigram of a built list must occur (CLIP: 100)."""
    min_pmi: float = 5.0
    """Pointwise mutual information of a bigram of a built list, in bits: 5 is 32 times as often as
    by chance. It cannot pass log2(words of the corpus / min_count), so that MetaCLIP's 30, for all
    of Wikipedia and no least count, would leave nothing here."""
    max_entries: Annotated[int, Meta(ge=1, le=2**31)] = 500_000
    """Entries of a built list, the most frequent ones (CLIP: 500,000)."""
