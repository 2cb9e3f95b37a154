"""lexbor's numbers for the elements we ask about.

To compare a number is twenty times as quick as to read a name, and a page asks thousands of times.
They are asked of lexbor itself, not copied from its source.
"""

from selectolax.lexbor import LexborHTMLParser


def _number(name: str) -> int:
    node = LexborHTMLParser(f"<body><{name}>").css_first(name)
    assert node is not None
    return int(node.tag_id)


A = _number("a")
AREA = _number("area")
FIGCAPTION = _number("figcaption")
FIGURE = _number("figure")
IMG = _number("img")
META = _number("meta")
PICTURE = _number("picture")
SOURCE = _number("source")
