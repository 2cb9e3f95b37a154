"""How often each flaw happens.

A flaw is a function: it adds what it needs to the draft, notes the truth, and returns the HTML of
one image reference. To add one, write it in `flaw_*.py` and give it a share here.
"""

from collections.abc import Callable
from typing import Final

from webpairs_pipeline.demo import flaw_files as files
from webpairs_pipeline.demo import flaw_servers as servers
from webpairs_pipeline.demo import flaw_words as words
from webpairs_pipeline.demo.draft import Draft, Page
from webpairs_pipeline.demo.markup import plain

Flaw = Callable[[Draft, Page], str]
SHARES: Final[dict[Flaw, float]] = {
    words.other_language: 0.10,
    words.no_alt: 0.025,
    words.empty_alt: 0.025,
    words.file_name_alt: 0.014,
    words.stock_alt: 0.012,
    words.short_alt: 0.005,
    words.long_alt: 0.002,
    words.odd_spaces: 0.02,
    words.no_src: 0.003,
    words.data_url: 0.004,
    words.bad_url: 0.003,
    words.lazy: 0.05,
    words.srcset: 0.04,
    words.picture_element: 0.025,
    words.odd_name: 0.012,
    words.vector: 0.012,
    words.spacer: 0.005,
    words.tracking_pixel: 0.008,
    files.repeated: 0.022,
    files.other_words: 0.006,
    files.encoded_again: 0.012,
    files.scaled: 0.014,
    files.thumbnail: 0.03,
    files.banner: 0.010,
    files.truncated: 0.006,
    files.not_image: 0.004,
    files.wrong_name: 0.006,
    files.rotated: 0.006,
    files.transparent: 0.008,
    files.palette: 0.008,
    files.too_large: 0.0,
    files.bomb: 0.0,
    servers.gone: 0.010,
    servers.broken_server: 0.002,
    servers.heals: 0.003,
    servers.hangs: 0.0,
    servers.cut: 0.001,
    servers.nobody: 0.001,
    servers.moved: 0.010,
    servers.loop: 0.001,
    servers.to_private: 0.001,
    servers.private: 0.001,
    servers.disallowed: 0.006,
    servers.rules_unknown: 0.001,
    servers.opted_out: 0.010,
    servers.opted_out_of_others: 0.004,
}
"""Of the images on English pages; each happens once at least, the rest is plain."""


def deck(draft: Draft, n_images: int) -> list[Flaw]:
    """What is wrong with each of `n_images` images, shuffled."""
    dealt = [flaw for flaw, share in SHARES.items() for _ in range(max(1, round(share * n_images)))]
    dealt += [plain] * max(0, n_images - len(dealt))
    draft.rng.shuffle(dealt)
    return dealt
