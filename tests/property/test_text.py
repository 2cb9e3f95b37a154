"""The normal form of text: what it holds for every text."""

import sys
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from webpairs_core.text import MAX_MARKS, normalise_text

KEPT = "\u200c\u200d"
PIECES = (
    "a B \u00e9 e \ud55c \u1112\u1161\u11ab & && ; amp; &amp; &amp;amp; &#38; &#x26;#38; &lt; &#60 "
    "&#x200b; &#32; &nbsp; &#0; &bogus; &copy &#1114112; &#xd800; &am \u037e \u0301 \u0323 \u0344 "
    "\u200b \u200c \u200d \u202e \u2066 \ufeff \u00ad \x00 \x1f \x7f \x85 \u2028 \u3000 \ud800 "
)
SPLIT = [piece for piece in PIECES.split(" ") if piece]
TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from([*SPLIT, " ", "\t", "\n"]), max_size=12).map("".join),
    st.text(alphabet="&amp;#x026lt", max_size=30),
)


@given(TEXTS)
@example("&" + "amp;" * 2_000)
@example("&am&#112;;" * 50)
@example("&am" * 300 + "&#112;;" * 300)
@example("a" + "\u0344\u0323" * 40)
@example("&amp\u037elt;")  # its semicolon appears with NFC
def test_it_is_at_rest(text: str) -> None:
    assert normalise_text(normalise_text(text)) == normalise_text(text)


@given(TEXTS)
def test_what_it_never_holds(text: str) -> None:
    normal = normalise_text(text)
    assert normal == " ".join(normal.split())
    assert unicodedata.is_normalized("NFC", normal)
    for character in normal:
        assert character in KEPT or unicodedata.category(character) not in ("Cc", "Cf", "Cs")
    for reference in ("&amp;", "&lt;", "&quot;", "&#39;", "&#x27;", "&nbsp;"):
        assert reference not in normal


@given(
    st.text(alphabet=st.characters(categories=["L", "N", "P"], exclude_characters="&"), max_size=40)
)
def test_letters_are_left_alone(text: str) -> None:
    assert normalise_text(text) == unicodedata.normalize("NFC", text)


def test_every_character_of_unicode() -> None:
    """The table of dropped characters is written out; this Python's Unicode is its judge."""
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        dropped = unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in KEPT
        normal = normalise_text(f"a{character}b")
        if dropped and not character.isspace():
            assert normal == "ab", hex(code)
        elif character.isspace():
            assert normal == "a b", hex(code)
        elif unicodedata.category(character) != "Cn":  # unassigned: newer Unicode may drop it
            assert normal == unicodedata.normalize("NFC", f"a{character}b"), hex(code)


def test_marks_without_end_are_cut() -> None:
    assert len(normalise_text("x" + "\u0301\u0323" * 5_000)) <= MAX_MARKS + 1
    assert len(normalise_text("e" + "\u0301" * MAX_MARKS)) == MAX_MARKS


def test_references_escaped_more_than_once() -> None:
    assert (
        normalise_text("R&amp;amp;D &amp;#8217;x&amp;#8217; &lt;b&gt;") == "R&D \u2019x\u2019 <b>"
    )
    assert normalise_text("?a=1&copy=2 AT&T &copy 1") == "?a=1&copy=2 AT&T &copy 1"
