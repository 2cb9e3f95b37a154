"""Who made a picture, who owns it and what may be done with it: read from XMP packets.

XMP is RDF in XML and has several spellings for one statement (an attribute, an element, a URI in
rdf:resource, a list), so whole subtrees are read. The XML comes from strangers: no DTD, no
entities, no network, libxml2's own limits on depth and size. A packet that is no XML is searched
for the denial alone: half a sentence of "prohibited" still counts, half a name does not.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

import msgspec
from lxml import etree

_CC = "{http://creativecommons.org/ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_PLUS = "{http://ns.useplus.org/ldf/xmp/1.0/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_XMP_RIGHTS = "{http://ns.adobe.com/xap/1.0/rights/}"
_DATA_MINING = f"{_PLUS}DataMining"

_CREATOR = (f"{_DC}creator", f"{_PLUS}ImageCreatorName")
_COPYRIGHT = (f"{_DC}rights", f"{_PLUS}CopyrightOwnerName", f"{_XMP_RIGHTS}Owner")
_LICENSE = (
    f"{_CC}license",
    f"{_XMP_RIGHTS}WebStatement",
    f"{_PLUS}LicensorURL",
    f"{_XMP_RIGHTS}UsageTerms",
)
"""Fields of one meaning, the best one first (IPTC Photo Metadata Standard 2023.1, CC's XMP)."""

_TERM = re.compile(r"DMI-[A-Z]+(?:-[A-Z]+){0,3}")
"""A term of the PLUS vocabulary http://ns.useplus.org/ldf/vocab/DMI-..., as URI or bare."""
_TERM_IN_BYTES = re.compile(_TERM.pattern.encode())
_NEAR = 400
"""Bytes between the name of the property and its term, in a packet that is no XML."""
_MAX_ELEMENTS = 20_000
_MAX_VALUES = 100
"""Of one property; more are a stranger's waste of our time."""
_MAX_VALUE_CHARACTERS = 10_000


class XmpRights(msgspec.Struct, frozen=True):
    """Empty where the packets say nothing."""

    creator: str = ""
    """Several names are joined by "; "."""
    copyright: str = ""
    license: str = ""
    """A URL where there is one, else the words of the usage terms."""
    data_mining: tuple[str, ...] = ()
    """Terms of plus:DataMining, sorted, e.g. `DMI-PROHIBITED-AIMLTRAINING`."""


def read_xmp(packets: Iterable[bytes]) -> XmpRights:
    """What these packets say together. Never raises: what cannot be read says nothing."""
    said: dict[str, list[str]] = {}
    terms: set[str] = set()
    for packet in packets:
        root = _parsed(packet)
        if root is None:
            terms |= set(_terms_near_name(packet))
            continue
        for name, value in _statements(root):
            if name == _DATA_MINING:
                terms |= set(_TERM.findall(value))
                continue
            values = said.setdefault(name, [])
            if len(values) < _MAX_VALUES and value not in values:
                values.append(value)
    return XmpRights(
        creator=_first(said, _CREATOR),
        copyright=_first(said, _COPYRIGHT),
        license=_first(said, _LICENSE),
        data_mining=tuple(sorted(terms)),
    )


def _terms_near_name(packet: bytes) -> Iterator[str]:
    for piece in packet.split(b"DataMining")[1:]:
        term = _TERM_IN_BYTES.search(piece, 0, _NEAR)
        if term is not None:
            yield term.group().decode()


def _first(said: dict[str, list[str]], names: tuple[str, ...]) -> str:
    return next(("; ".join(said[name]) for name in names if said.get(name)), "")


def _parsed(packet: bytes) -> etree._Element | None:
    """The packet as a tree; None when it is no XML, or XML with a DTD (XMP has none)."""
    if b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        return None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True
    )
    for text in (packet.strip(), packet.strip(b"\0 \t\r\n")):  # padded with NUL, but not in UTF-16
        with suppress(etree.XMLSyntaxError, ValueError):
            return etree.fromstring(text, parser)
    return None


_WANTED = frozenset((*_CREATOR, *_COPYRIGHT, *_LICENSE, _DATA_MINING))


def _statements(root: etree._Element) -> Iterator[tuple[str, str]]:
    """(qualified name, value) of each wanted property, however it is spelt."""
    walk = etree.iterwalk(root, events=("start",))
    for _, element in islice(walk, _MAX_ELEMENTS):
        for name in _WANTED:  # not items(): it looks each one up, a square of their number
            if value := element.get(name, "").strip():
                yield name, value
        if element.tag in _WANTED:
            yield from ((element.tag, value) for value in _values(element))
            # Its subtree was read with it. Nested ones would be read as often as they are deep.
            walk.skip_subtree()


def _values(element: etree._Element) -> Iterator[str]:
    """The value of a property: its rdf:resource, its text, or the items of its list.

    Of the languages of an rdf:Alt the default counts, or else the first.
    """
    resource = element.get(f"{_RDF}resource", "").strip()
    if resource:
        yield resource
    items = list(islice(element.iter(f"{_RDF}li"), _MAX_VALUES))
    if element.find(f"{_RDF}Alt") is not None:
        default = [item for item in items if item.get(f"{_XML}lang") == "x-default"]
        items = (default or items)[:1]
    if items:
        for item in items:
            if text := item.get(f"{_RDF}resource", "").strip() or _text(item):
                yield text
    elif text := _text(element):
        yield text


def _text(element: etree._Element) -> str:
    """The text of a whole subtree, cut at what a property may hold."""
    text = "".join(islice(element.itertext(), _MAX_ELEMENTS))
    return text.strip()[:_MAX_VALUE_CHARACTERS]
