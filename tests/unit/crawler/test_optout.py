"""Opt-out signals: their grammar and what they forbid."""

import pytest

from webpairs_crawler.options import OptoutPolicy
from webpairs_crawler.optout.signals import (
    forbids,
    forbids_links,
    signals_from_headers,
    signals_from_meta,
)

AGENT = "webpairs/0.1 (+https://example.org/googlebot)"


def robots_header(*values: str) -> tuple[str, ...]:
    headers = [("X-Robots-Tag", value) for value in values]
    return signals_from_headers(headers, "image", AGENT)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("noai", ["noai"]),
        ("NoAI, NoImageAI", ["noai", "noimageai"]),
        ("all", []),
        ("index, follow, max-snippet:-1, max-image-preview:large", []),
        ("unavailable_after: Saturday, 25-Jun-2030 15:00:00 PST, noai", ["noai"]),
        ("googlebot: noai", []),
        ("webpairs: noai", ["noai"]),
        ("WebPairs: noai, noindex", ["noai", "noindex"]),
        ("*: noai", ["noai"]),
        ("googlebot: noindex, webpairs: noai", ["noai"]),
        ("noai, googlebot: noindex, nofollow", ["noai"]),
        ("none", ["none"]),
        ("", []),
        (",,,", []),
        ("no ai", []),
    ],
)
def test_x_robots_tag(value: str, expected: list[str]) -> None:
    assert robots_header(value) == tuple(f"x-robots-tag:{token}@image" for token in expected)


def test_repeated_headers_all_count() -> None:
    assert robots_header("googlebot: noindex", "noai") == ("x-robots-tag:noai@image",)
    assert len(robots_header("noai", "noindex", "noai")) == 2


def test_tdm_reservation() -> None:
    for name in ("tdm-reservation", "TDM-Reservation"):
        assert signals_from_headers([(name, " 1 ")], "page", AGENT) == ("tdm-reservation:1@page",)
    assert signals_from_headers([("tdm-reservation", "2")], "page", AGENT) == ()
    assert signals_from_meta([("TDM-Reservation", "1")], AGENT) == ("tdm-reservation:1@page",)


def test_meta_robots() -> None:
    metas = [("Robots", "NOAI, index"), ("googlebot", "noindex"), ("webpairs", "noimageai")]
    assert signals_from_meta(metas, AGENT) == (
        "meta-robots:noai@page",
        "meta-robots:noimageai@page",
    )
    assert signals_from_meta([("description", "noai")], AGENT) == ()


@pytest.mark.parametrize(
    ("signal", "default", "strict"),
    [
        ("x-robots-tag:noai@image", True, True),
        ("meta-robots:noimageai@page", True, True),
        ("tdm-reservation:1@page", True, True),
        ("x-robots-tag:noindex@image", False, True),
        ("x-robots-tag:noimageindex@image", True, True),
        ("meta-robots:none@page", False, True),
        ("meta-robots:nofollow@page", False, False),
        ("meta-robots:noarchive@page", False, False),
    ],
)
def test_policies(signal: str, default: bool, strict: bool) -> None:
    expected: dict[OptoutPolicy, bool] = {"default": default, "strict": strict, "report": False}
    for policy, is_forbidden in expected.items():
        assert forbids([signal], policy) is is_forbidden
        assert forbids(["meta-robots:noarchive@page", signal], policy) is is_forbidden
    assert not forbids([], "strict")


def test_links() -> None:
    assert forbids_links(["meta-robots:nofollow@page"])
    assert forbids_links(["x-robots-tag:none@page"])
    assert not forbids_links(["meta-robots:noindex@page"])
