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
        ("unavailable_after: 25 Jun 2027 15:00:00 PST", []),
        ("unavailable_after: 25 Jun 2027 15:00:00 PST, noimageai", ["noimageai"]),
        ("googlebot: unavailable_after: 25 Jun 2027 15:00:00 PST, noai", []),
        ("max-image-preview: none", []),
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


@pytest.mark.parametrize(
    ("signal", "default", "strict"),
    [
        ("robots:gptbot@page", True, True),
        ("tdmrep:1@image", True, True),
        ("tdmrep:0@image", False, False),
        ("tdm-policy:https://p.example/@page", False, False),
        ("content-usage:train-ai=n@page", True, True),
        ("robots-content-usage:train-genai=n@image", True, True),
        ("content-usage:train-ai=y@page", False, False),
        ("content-usage:ai-use=n@page", False, False),
        ("content-usage:search=n@page", False, True),
        ("robots-content-signal:ai-train=n@page", True, True),
        ("robots-content-signal:search=n@page", False, True),
        ("robots-content-signal:ai-input=n@page", False, False),
        ("rsl-license:https://x.example/train-ai=n@page", False, False),
        ("rsl:ai-train=prohibited@page", True, True),
        ("rsl:ai-train=paid@page", True, True),
        ("rsl:ai-train=not_offered@page", True, True),
        ("rsl:ai-train=on_request@page", True, True),
        ("rsl:ai-train=permitted@page", False, False),
        ("ai-txt:disallow@image", True, True),
        ("trust-txt:datatrainingallowed=no@page", True, True),
        ("trust-txt:datatrainingallowed=yes@page", False, False),
        ("iptc:DMI-PROHIBITED@image", True, True),
        ("iptc:DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING@image", True, True),
        ("iptc:DMI-ALLOWED@image", False, False),
        ("iptc:DMI-UNSPECIFIED@image", False, False),
        ("c2pa:ai_training=notAllowed@image", True, True),
        ("c2pa:data_mining=constrained@image", True, True),
        ("c2pa:ai_training=allowed@image", False, False),
        ("c2pa:ai_inference=notAllowed@image", False, False),
        ("something-new:no@image", False, False),
        ("", False, False),
        (":@", False, False),
    ],
)
def test_policies_of_the_other_signals(signal: str, default: bool, strict: bool) -> None:
    expected: dict[OptoutPolicy, bool] = {"default": default, "strict": strict, "report": False}
    for policy, is_forbidden in expected.items():
        assert forbids([signal], policy) is is_forbidden


def test_a_tdm_header_has_the_last_word_over_the_file_of_its_own_response() -> None:
    """W3C TDMRep: the file speaks where the response does not; no other signal is taken back."""
    assert not forbids(["tdmrep:1@page", "tdm-reservation:0@page"], "default")
    assert forbids(["tdmrep:1@image", "tdm-reservation:0@page"], "default")
    assert forbids(["tdm-reservation:1@page", "tdm-reservation:0@page"], "default")
    assert forbids(["tdmrep:1@page", "tdm-reservation:0@page", "robots:ccbot@page"], "default")


def test_a_tdm_policy_is_recorded() -> None:
    headers = [("TDM-Reservation", "0"), ("tdm-policy", " https://p.example/a b\u00fc@c ")]
    assert signals_from_headers(headers, "page", AGENT) == (
        "tdm-policy:https://p.example/ab%C3%BC@c@page",
        "tdm-reservation:0@page",
    )
    assert signals_from_meta([("tdm-policy", "")], AGENT) == ()
    [written] = signals_from_meta([("tdm-policy", "https://p.example/" + "x" * 5_000)], AGENT)
    assert len(written) < 400


def test_header_bytes_that_are_no_text_can_be_stored() -> None:
    [written] = signals_from_headers([("tdm-policy", "\udcff\udce9")], "page", AGENT)
    assert written.encode("ascii")


def test_links() -> None:
    assert forbids_links(["meta-robots:nofollow@page"])
    assert forbids_links(["x-robots-tag:none@page"])
    assert not forbids_links(["meta-robots:noindex@page"])
