"""From the bytes of a page to text, as the HTML standard's encoding sniffing does it: byte order
mark, HTTP charset, meta prescan; then UTF-8 if the bytes are UTF-8, else windows-1252."""

import codecs
import re

PRESCAN_BYTES = 1024
"""How far the standard looks for a meta charset."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_META = re.compile(rb"<meta[\s/][^>]*", re.IGNORECASE)
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([^\s\"'>;/]+)", re.IGNORECASE)
_HTTP_CHARSET = re.compile(r"charset\s*=\s*\"?\s*([^\s\";,]+)", re.IGNORECASE)

# The encoding standard reads these labels as their supersets (encoding.spec.whatwg.org, section
# 4.2).
_SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
# Labels of that standard that Python has no alias for; the rest of them nobody writes.
_LABELS = {
    "unicode-1-1-utf-8": "utf-8",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-euc-jp": "euc_jp",
    "x-gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "x-x-big5": "big5hkscs",
    "windows-949": "cp949",
    "ksc_5601": "cp949",
    "windows-874": "cp874",
    "dos-874": "cp874",
    "x-cp1250": "cp1250",
    "x-cp1251": "cp1251",
    "x-cp1252": "cp1252",
    "iso-8859-8-i": "iso8859-8",
    "logical": "iso8859-8",
    "visual": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "koi": "koi8-r",
    "koi8": "koi8-r",
    "koi8-ru": "koi8-u",
    "x-mac-roman": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
}
# Only these: Python also has codecs that are no text encodings of the web (utf-7, idna, zlib,
# rot13).
_ALLOWED = frozenset(
    ["utf-8", "utf-16-be", "utf-16-le", "cp1252", "cp1254", "cp874", "gb18030", "cp932", "cp949"]
    + [
        "big5hkscs",
        "euc_jp",
        "iso2022_jp",
        "koi8-r",
        "koi8-u",
        "mac-roman",
        "mac-cyrillic",
        "cp866",
    ]
    + [f"cp125{n}" for n in range(9)]
    + [f"iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)]
)


def decode_page(html: bytes, content_type: str) -> str:
    """The text of a page. Bytes that the encoding does not know become U+FFFD."""
    for bom, name in _BOMS:
        if html.startswith(bom):
            return html[len(bom) :].decode(name, "replace")
    named = _HTTP_CHARSET.search(content_type)
    declared = _codec(named.group(1)) if named else _prescan(html)
    if declared:
        return html.decode(declared, "replace")
    try:
        return html.decode("utf-8")
    except UnicodeDecodeError:
        return html.decode("cp1252", "replace")


def _prescan(html: bytes) -> str:
    head = _COMMENT.sub(b"", html[:PRESCAN_BYTES])
    for meta in _META.finditer(head):
        found = _CHARSET.search(meta.group())
        if found:
            name = _codec(found.group(1).decode("latin-1"))
            # A page whose meta was readable as ASCII is not UTF-16, whatever it says (the
            # standard).
            return "utf-8" if name.startswith("utf-16") else name
    return ""


def _codec(label: str) -> str:
    """The name of Python's codec for an encoding label; "" for one that the web does not know."""
    label = label.strip().lower()
    try:
        name = codecs.lookup(_LABELS.get(label, label)).name
    except (LookupError, ValueError):
        return ""
    if name == "utf-16":
        name = "utf-16-le"
    name = _SUPERSETS.get(name, name)
    return name if name in _ALLOWED else ""
