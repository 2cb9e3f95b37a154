"""RSL 1.0 (rslstandard.org): what the licence that a site offers means for training on its content.

Only that one question is answered. Its vocabulary of users, places and prices is for those who buy
a licence; a data set builder asks whether training is free, and takes anything else for no.
"""

from collections.abc import Iterator

from lxml import etree

from webpairs_crawler.optout.patterns import Pattern
from webpairs_crawler.web.urls import host_of, join

MAX_CONTENTS = 1_000
_TRAINING = frozenset(["all", "ai-all", "ai-train", "train-ai"])
"""Uses that training belongs to; the last one is AIPREF's name for it."""
_FREE = frozenset(["", "free", "attribution"])
"""Kinds of payment that ask for no money; a missing one is free (section 3.7)."""


def read_rsl(body: bytes, origin: str) -> tuple[tuple[Pattern, str], ...]:
    """What each location of this origin says of training: permitted, prohibited, paid, on_request.

    Malformed documents say nothing. Entities are not resolved and nothing is loaded.
    """
    try:
        return tuple(_rules(body, origin))
    except (etree.LxmlError, ValueError):  # ValueError: names and texts that are no Unicode
        return ()


def _rules(body: bytes, origin: str) -> Iterator[tuple[Pattern, str]]:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True
    )
    root = etree.fromstring(body, parser)
    if root is None or _name(root) != "rsl":
        return
    contents = [node for node in root if _name(node) == "content"][:MAX_CONTENTS]
    for content in contents:
        path = _path(str(content.get("url") or "/"), origin)
        if path:
            yield Pattern.of(path), _terms(content)


def _terms(content: etree._Element) -> str:
    """The terms of a content element: its licences are alternatives, a prohibition is for all."""
    if content.get("server"):
        return "on_request"  # a licence must be obtained even when it is free (section 3.2)
    found = {_license_terms(node) for node in content if _name(node) == "license"}
    order = ("prohibited", "permitted", "paid", "not_offered")
    return next((terms for terms in order if terms in found), "permitted")


def _license_terms(node: etree._Element) -> str:
    permitted = _uses(node, "permits")
    if _TRAINING & (_uses(node, "prohibits") or set()):
        return "prohibited"
    if permitted is not None and not _TRAINING & permitted:
        return "not_offered"  # permits is a closed list (section 3.5)
    kinds = {str(child.get("type") or "").lower() for child in node if _name(child) == "payment"}
    return "permitted" if kinds <= _FREE else "paid"


def _uses(node: etree._Element, name: str) -> set[str] | None:
    """The uses listed, split at blanks and commas (drafts had commas); None without a list."""
    lists = [child for child in node if _name(child) == name and child.get("type") == "usage"]
    if not lists:
        return None
    return {use for child in lists for use in (child.text or "").lower().replace(",", " ").split()}


def _path(url: str, origin: str) -> str:
    """The path pattern of a content URL; empty when it speaks of another host."""
    if "://" not in url:
        return url
    joined = join(url, "")
    if joined is None or host_of(joined) != host_of(origin + "/"):
        return ""
    path = url.split("://", 1)[1].partition("/")[2]
    return f"/{path}"


def _name(node: etree._Element) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ""
