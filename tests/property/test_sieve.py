"""The guard's quick bound is never below what the attributes of any tag could cost."""

from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from webpairs_crawler.page import sieve

PIECES = (
    b"<a", b"<p", b"<html", b"<BODY", b"</a", b"<", b">", b"/", b"=", b"= ", b'"', b"'", b' b="',
    b" c='", b" d=e", b' f="g>h"', b" i='<j>'", b"\n", b" ", b"k", b"<!--", b"-->", b"<script>",
    b"</script>", b"<svg>", b"<![CDATA[", b"]]>", b"<title>", b"x" * 600, b" y z" * 300,
)  # fmt: skip
pages = st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join)


@settings(max_examples=1500, deadline=None)
@given(pages)
def test_no_tag_has_more_attributes_than_the_bound_says(html: bytes) -> None:
    bound = sieve._worst_attributes(html)
    read = [sieve._n_attributes(html, tag) for tag in sieve._tags(html)]
    assert bound >= sieve._ATTRIBUTE_NS * sum(n**2 for n in read)
    numbered = html  # the parser drops what repeats: give each attribute a name of its own
    for number in range(html.count(b"y z")):
        numbered = numbered.replace(b"y z", b"y%d z%d" % (number, number), 1)
    kept = [len(node.attributes) for node in LexborHTMLParser(numbered).css("*")]
    assert sieve._worst_attributes(numbered) >= sieve._ATTRIBUTE_NS * sum(n**2 for n in kept)
