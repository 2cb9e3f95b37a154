"""Laws of the signals in headers: written any way, they mean the same; bad ones mean nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_crawler.optout.content_usage import preferences
from webpairs_crawler.optout.signals import RESTRICTIONS, forbids, signal, signals_from_headers

AGENT = "webpairs/0.1 (+https://example.org/bot)"
TOKENS = st.sampled_from(sorted(RESTRICTIONS))
OTHERS = st.sampled_from(
    [
        "all",
        "index",
        "max-snippet: 20",
        "max-image-preview:none",
        "unavailable_after: 25 Jun 2027 15:00:00 PST",
        "unavailable_after: 2027-06-25T15:00:00+02:00",
        "",
    ]
)
BLANKS = st.sampled_from(["", " ", "  ", "\t"])
WHERE = st.sampled_from(["page", "image"])


def seen(*values: str, where: str = "image") -> tuple[str, ...]:
    return signals_from_headers([("X-ROBOTS-Tag", value) for value in values], where, AGENT)


@given(st.lists(st.tuples(BLANKS, st.one_of(TOKENS, OTHERS), BLANKS), max_size=6), st.data())
@settings(max_examples=300, deadline=None)
def test_one_header_or_several_upper_or_lower_is_one(
    parts: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    expected = tuple(
        sorted({f"x-robots-tag:{part}@image" for _, part, _ in parts if part in RESTRICTIONS})
    )
    padded = [f"{before}{part}{after}" for before, part, after in parts]
    cut = data.draw(st.integers(0, len(padded)))
    assert seen(",".join(padded)) == expected
    assert seen(",".join(padded[:cut]), ",".join(padded[cut:]).upper()) == expected


@given(st.lists(TOKENS, min_size=1, max_size=4), st.sampled_from(["googlebot", "other-bot", "x"]))
def test_what_others_are_told_is_not_for_us(tokens: list[str], other: str) -> None:
    line = ", ".join(tokens)
    assert seen(f"{other}: {line}") == ()
    assert seen(f"{other}: {line}, webpairs: {line}") == seen(line) == seen(f"webpairs: {line}")
    assert seen(f"{line}, {other}: noindex") == seen(line)


@given(st.text(max_size=60), WHERE)
def test_any_header_is_read(text: str, where: str) -> None:
    headers = [
        (name, text)
        for name in ("x-robots-tag", "tdm-reservation", "tdm-policy", "content-usage", "link")
    ]
    for written in signals_from_headers(headers, where, AGENT):
        assert written.endswith(f"@{where}")
        assert written.isascii()
        assert written.isprintable()


@given(st.text(), st.text(max_size=10), WHERE)
def test_a_signal_is_one_word(name: str, value: str, where: str) -> None:
    written = signal("tdm-policy", name + value, where)
    assert len(written.split()) == 1
    assert not forbids([written], "strict")


@given(st.text('train-ai=yn, ;"()?1:.%@', max_size=30))
@settings(max_examples=400, deadline=None)
def test_more_members_take_nothing_back_but_by_their_own_key(text: str) -> None:
    found = preferences(text)
    assert preferences(f" {text} ") == found
    if preferences(f"{text}, search=y") and found:
        assert preferences(f"{text}, search=y") == found | {"search": True}
    assert preferences(f"{text},") == {}  # a trailing comma is malformed (RFC 9651 §4.2.2)
