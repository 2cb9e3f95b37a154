"""The srcset parser against the HTML standard, rule by rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpairs_crawler.page.candidates import largest_first
from webpairs_crawler.web.srcset import Candidate, parse_srcset


def urls(text: str) -> list[str]:
    return [candidate.url for candidate in parse_srcset(text)]


@pytest.mark.parametrize("text", ["", " ", ",", ",,,", " , ,\t\n"])
def test_nothing(text: str) -> None:
    assert urls(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg",
        "a.jpg ",
        " a.jpg",
        "a.jpg ,",
        "a.jpg,",
        "a.jpg, ",
        "a.jpg,,,",
        "a.jpg,, , ",
        ",,,a.jpg",
        " , ,,a.jpg",
        "\t\ta.jpg\t\t1x\t",
        "\n\na.jpg\n1x\n",
        "\x0c\x0ca.jpg\x0c1x\x0c",
        "\r\ra.jpg\r1x\r",
        "a.jpg 1x",
        "a.jpg 1x ",
        "a.jpg 1x,",
    ],
)
def test_one(text: str) -> None:
    assert urls(text) == ["a.jpg"]


def test_a_url_ends_at_space_not_at_a_comma() -> None:
    assert urls("data:image/png;base64,AA== 1x, b.jpg 2x") == [
        "data:image/png;base64,AA==",
        "b.jpg",
    ]
    assert urls("a,b.jpg 1x, c,d,.jpg") == ["a,b.jpg", "c,d,.jpg"]
    assert urls("a.jpg,b.jpg") == ["a.jpg,b.jpg"]
    assert urls("a.jpg, b.jpg") == ["a.jpg", "b.jpg"]
    assert urls("/w_300,h_200/a.jpg 300w,/w_600,h_400/a.jpg 600w") == [
        "/w_300,h_200/a.jpg",
        "/w_600,h_400/a.jpg",
    ]


@pytest.mark.parametrize("space", ["\x0b", "\x0e", "\x10", "\xa0", "\u2003", "\u3000", "\ufeff"])
def test_only_ascii_whitespace_separates(space: str) -> None:
    assert urls(f"{space}a.jpg{space}1x") == [f"{space}a.jpg{space}1x"]
    assert urls(f"a.jpg 1{space}x") == []
    assert urls(f"a.jpg {space}1w") == []
    assert urls(f"a.jpg 1w {space}1h") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a ( , b 1x, ), c", ["c"]),
        ("a ((( , b 1x, ), c", ["c"]),
        ("a [ , b 1x, ], c", ["b", "c"]),
        ("a { , b 1x, }, c", ["b", "}", "c"]),
        ('a " , b 1x, ", c', ["b", '"', "c"]),
        ("a \\,b;\\,d, c", ["b;\\,d", "c"]),
        ("a, b (", ["a"]),
        ("a, b (  ", ["a"]),
        ("a, b (,", ["a"]),
        ("a, b (x", ["a"]),
        ("a, b ()", ["a"]),
        ("a (, b", []),
        ("a /*, b, c */", ["b"]),
        ("a //, b", ["b"]),
    ],
)
def test_parentheses_hold_commas_and_nothing_else_does(text: str, expected: list[str]) -> None:
    # `]` and `}` stand where a URL may: the standard reads them as one.
    assert [url for url in urls(text) if url not in ("]",)] == expected


GOOD = ["1x", "0x", "-0x", "1.0x", "1e0x", "1E0x", "1e-1x", "1.5e1x", ".5x", ".5e1x", "1w"]
GOOD += ["1w 1h", "1h 1w", "01w", "320w", "99999999999999999999w", "1e400x"]
BAD = ["foo", "foo 1x", "1x foo", "1x 1x", "1w 1w", "1w 1x", "1x 1w", "1h 1h", "1h 1x", "1x 1h"]
BAD += ["1h 1w 1x", "1h", "0w", "00w", "-1w", "1.0w", "1e0w", "1www", "+1w", "1W", "Infinityw"]
BAD += ["NaNw", "0x1w", "-1x", "-x", ".x", "-.x", "1.x", "1e1.5x", "+1x", "1X", "Infinityx"]
BAD += ["NaNx", "0x1x", "1w 0h", "1w -1h", "1w 1.0h", "1w +1h", "1w 1H", "w", "x", "h", "1\x01w"]
BAD += ["\u0661w", "\u0661x", "1_0w"]


@pytest.mark.parametrize("descriptors", GOOD)
def test_good_descriptors(descriptors: str) -> None:
    assert urls(f"a.jpg {descriptors}") == ["a.jpg"]


@pytest.mark.parametrize("descriptors", BAD)
def test_a_bad_descriptor_drops_its_candidate_only(descriptors: str) -> None:
    assert urls(f"a.jpg {descriptors}, b.jpg") == ["b.jpg"]


def test_sizes() -> None:
    assert list(parse_srcset("a 320w 200h, b 2.5x, c")) == [
        Candidate("a", width=320),
        Candidate("b", density=2.5),
        Candidate("c"),
    ]


@pytest.mark.parametrize(
    ("text", "largest"),
    [
        ("a 320w, b 640w, c 64w", "b"),
        ("a, b 1.5x, c 0.5x", "b"),
        ("a 9x, b 10w", "b"),
        ("first 2x, second 2x", "first"),
    ],
)
def test_the_largest(text: str, largest: str) -> None:
    assert largest_first(parse_srcset(text))[0].url == largest


@given(st.text(alphabet="ab ,()1wxh.e-\t\n", max_size=60))
def test_any_text_gives_urls_that_stand_in_it(text: str) -> None:
    for candidate in parse_srcset(text):
        assert candidate.url
        assert candidate.url in text
        assert not candidate.url.endswith(",")
        assert candidate.width >= 0
        assert candidate.density >= 0


def test_a_hostile_text_takes_linear_work() -> None:
    assert len(urls("a 1w," * 200_000)) == 200_000
    assert urls("a (" + "(" * 500_000) == []
