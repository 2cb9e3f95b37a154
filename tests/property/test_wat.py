"""What is cut out of a WAT record equals what its JSON says."""

import json
import string
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_core.keys import pair_key
from webpairs_core.records import TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.archive.columns import PairRows
from webpairs_crawler.archive.wat import listed_images, pairs_of_images
from webpairs_crawler.archive.wat_links import cut_links, pairs_of_one_source
from webpairs_crawler.archive.wat_record import links_in, parse, without_links
from webpairs_crawler.web.urls import join

HOSTILE = (
    '{"path":"IMG@/src","url":"/x.jpg","alt":"injected"}',
    '"}],"Links":[{"path":"IMG@/src"',
    '\\"Links\\":[',
    "}]",
    '"',
    "\\",
    "\\\\",
    "{",
    "}",
    "/",
    "\u00e9",
    "e\u0301",
    "\U0001f469\u200d\U0001f4bb",
    "\u202e",
    "\ud83d",
    "\n",
    "  ",
    " ",
    "&amp;",
    "&#39;",
    "IMG@/src",
    "東京",
    "x" * 5001,
)
texts = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8)), max_size=6).map("".join)
clean = st.text(string.ascii_letters + string.digits + "/_.~!$&()*+,;=:@?-", max_size=12)
dirty = st.text(string.ascii_letters + "/.?#:@[]'%|^\\ \t\u00e9&", max_size=12)
HOSTS = (
    "a.example",
    "cdn1.a-b.example.com",
    "A.Example",
    "a..example",
    "xn--bcher-kva.example",
    "1.2.3.4",
    "example",
    "a.example:80",
    "u@a.example",
    "-a.b-.com",
    "a_b.example",
    "0x7f.1",
)
hosts = st.sampled_from(HOSTS)
starts = st.one_of(
    st.sampled_from(("", "/", "//", "./", "../", "?", "#", "data:image/png;base64,", "mailto:")),
    st.builds("{}//{}{}".format, st.sampled_from(("http:", "https:", "HTTP:", "")), hosts,
              st.sampled_from(("", "/", "/a/../"))),
)  # fmt: skip
urls = st.builds("{}{}".format, starts, st.one_of(clean, dirty))
bases = st.builds(
    "{}{}{}".format,
    st.sampled_from(("https://www.example.com", "http://h.example:8080", "http://[::1]")),
    st.sampled_from(("/", "/a/b.html", "/a/b/", "/%C3%A9/x")),
    st.sampled_from(("", "?q=a/b")),
)


def in_order(link: dict[str, str]) -> dict[str, str]:
    """As their writer puts the keys (ExtractingParseObserver.java): one order in all of a file."""
    return {key: link[key] for key in ("path", "url", "alt", "title", "text", "x") if key in link}


images = st.fixed_dictionaries(
    {"path": st.just("IMG@/src"), "url": urls}, optional={"alt": texts, "title": texts}
).map(in_order)
others = st.fixed_dictionaries(
    {"path": st.sampled_from(("A@/href", "IMG@/longdesc", "SOURCE@/src"))},
    optional={"url": urls, "alt": texts, "title": texts, "text": texts},
).map(in_order)
odd = st.fixed_dictionaries(
    {"path": st.just("IMG@/src"), "title": texts, "url": urls, "x": texts}
).map(in_order)
links = st.lists(st.one_of(images, others), max_size=8)
sources = st.sampled_from(((TextSource.ALT,), (TextSource.TITLE,)))


def record(found: list[dict[str, str]], title: str) -> dict[str, Any]:
    html = {"Head": {"Title": title, "Metas": [{"name": title}]}, "Links": found}
    http = {"Response-Message": {"Status": "200"}, "Headers": {title: title}, "HTML-Metadata": html}
    return {
        "Container": {"Filename": title},
        "Envelope": {
            "Payload-Metadata": {"HTTP-Response-Metadata": http},
            "WARC-Header-Metadata": {"WARC-Target-URI": "https://www.example.com/" + title},
        },
    }


def written(value: object, is_compact: bool, is_ascii: bool) -> bytes:
    separators = (",", ":") if is_compact else (", ", ": ")
    text = json.dumps(value, ensure_ascii=is_ascii, separators=separators)
    return text.encode("utf-8", "replace")


def whole(body: bytes, base: str, asked: tuple[TextSource, ...]) -> PairRows:
    """By way of the parser alone."""
    record = json.loads(body)
    found = record["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]["HTML-Metadata"]
    rows = PairRows(n_images=0)
    unpaired: dict[str, int] = {}
    for link in found["Links"]:
        if link.get("path") != "IMG@/src":
            continue
        rows.n_images += 1
        text = normalise_text(link.get(asked[0], "")[:10_000])
        url = join(base, link.get("url", "")) if link.get("url", "").strip() else None
        if not text:
            unpaired["no_text"] = unpaired.get("no_text", 0) + 1
        elif url:
            rows.add(url.encode(), text.encode(), asked[0])
            assert rows.keys[-1] == pair_key(url, text)
    rows.unpaired = unpaired
    return rows


@settings(max_examples=400, deadline=None)
@given(links, texts, bases, sources, st.booleans(), st.booleans())
def test_the_cut_equals_the_parse(
    found: list[dict[str, str]],
    title: str,
    base: str,
    asked: tuple[TextSource, ...],
    is_compact: bool,
    is_ascii: bool,
) -> None:
    found = [{"path": "A@/href", "url": "/first"}, *found]
    body = written(record(found, title), is_compact, is_ascii)
    place = links_in(body)
    assert place is not None
    rest = parse(without_links(body, place))
    if rest is None:  # the last "}]" stood in a string, or half a surrogate pair in it
        return
    cut = cut_links(body, place)
    assert cut is not None
    ours = pairs_of_one_source(cut, base, asked[0])
    expected = whole(body, base, asked)
    assert (ours.keys, ours.urls, ours.texts) == (expected.keys, expected.urls, expected.texts)
    assert ours.sources == [asked[0]] * len(ours.keys)
    assert ours.n_images == expected.n_images
    assert ours.unpaired.get("no_text", 0) == expected.unpaired.get("no_text", 0)
    parsed = parse(body)
    if parsed is not None and parsed.envelope.payload.http is not None:
        html = parsed.envelope.payload.http.html
        assert html is not None
        assert pairs_of_images(listed_images(html, asked), base, asked) == ours


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(images, odd), min_size=1, max_size=4), st.booleans())
def test_a_layout_that_cannot_be_cut_is_refused(
    found: list[dict[str, str]], is_reversed: bool
) -> None:
    """Other keys, another order, another way to write a slash: nothing may be lost in silence."""
    written_links = [dict(reversed(link.items())) if is_reversed else link for link in found]
    body = written(record(written_links, "t"), True, True)
    is_odd = is_reversed or any("x" in link for link in found)
    slashed = body.replace(b"IMG@/", b"IMG@\\/")
    for one, is_refused in ((body, is_odd), (slashed, True)):
        place = links_in(one)
        assert place is not None
        assert (cut_links(one, place) is None) == is_refused
