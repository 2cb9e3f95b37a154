import hashlib

import msgspec
import pytest

from pairs_fixture import batch_of, make_pair
from user_files import list_file
from webpairs_filters.catalog import Filter
from webpairs_filters.url.blocklist import UrlBlocklist

BAD = "http://img.ok.test/bad.jpg"
URLS = list_file("http://img.ok.test:80/bad.jpg#top")
DOMAINS = list_file("bad.test", "co.uk.test")
HASHES = list_file(
    hashlib.md5(b"http://ok.test/1").hexdigest(),
    hashlib.sha1(b"http://ok.test/2").hexdigest().upper(),
    hashlib.sha256(b"http://ok.test/3").hexdigest(),
)
ALL = UrlBlocklist(urls=URLS, domains=DOMAINS, hashes=HASHES)
URL, DOMAIN, HASH = ALL.reasons
FINE = "http://ok.test/fine.jpg"


@pytest.mark.parametrize(
    ("url", "src_url", "reason"),
    [
        (FINE, FINE, None),
        (BAD, FINE, URL),
        (FINE, BAD, URL),
        (BAD + "?1", FINE, None),
        ("https://bad.test/x", FINE, DOMAIN),
        ("https://cdn.img.bad.test:8443/x", FINE, DOMAIN),
        ("https://bad.test.:8443/x", FINE, DOMAIN),
        (FINE, "http://bad.test", DOMAIN),
        ("http://notbad.test/x", FINE, None),
        ("http://bad.test.example/x", FINE, None),
        ("http://ok.test/?bad.test", FINE, None),
        *((f"http://ok.test/{i}", FINE, HASH if i < 4 else None) for i in (1, 2, 3, 4)),
        (FINE, "http://ok.test/1", HASH),
    ],
)
def test_lists(url: str, src_url: str, reason: str | None) -> None:
    pair = make_pair(url=url, src_url=src_url, page_url="http://bad.test/")
    assert ALL.reject(pair) == reason
    assert ALL.reject_batch(batch_of([pair])).to_pylist() == [reason]


def test_pages_count_when_the_recipe_says_so() -> None:
    pair = make_pair(url=FINE, src_url=FINE, page_url="http://www.bad.test/")
    for pages, reason in ((False, None), (True, DOMAIN)):
        each = UrlBlocklist(domains=DOMAINS, pages=pages)
        assert each.reject(pair) == reason
        assert each.reject_batch(batch_of([pair])).to_pylist() == [reason]


def test_a_blocklist_without_a_list_is_a_mistake() -> None:
    with pytest.raises(msgspec.ValidationError, match="needs a file in urls, domains or hashes"):
        msgspec.convert([{"use": "url_blocklist"}], tuple[Filter, ...])
