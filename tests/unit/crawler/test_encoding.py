"""Encoding sniffing: who wins, and what a lie costs."""

import pytest

from webpairs_crawler.web.encoding import decode_page

META = b'<meta charset="euc-kr">'


def test_a_byte_order_mark_beats_all() -> None:
    assert decode_page(b"\xef\xbb\xbf\xc3\xa9", "text/html; charset=euc-kr") == "é"
    assert decode_page(b"\xff\xfe" + "한".encode("utf-16-le"), "text/html; charset=utf-8") == "한"
    assert decode_page(b"\xfe\xff" + "한".encode("utf-16-be"), "") == "한"


def test_http_beats_meta() -> None:
    assert decode_page(META + "é".encode(), "text/html; charset=utf-8").endswith("é")
    assert decode_page(META + "é".encode(), 'text/html; charset="UTF-8"').endswith("é")


@pytest.mark.parametrize(
    "meta",
    [
        '<meta charset="{}">',
        "<META CHARSET={}>",
        '<meta http-equiv="Content-Type" content="text/html; charset={}">',
    ],
)
def test_meta(meta: str) -> None:
    page = meta.format("euc-kr") + "한국어"
    assert decode_page(page.encode("cp949"), "text/html").endswith("한국어")


def test_a_meta_in_a_comment_or_too_late_does_not_count() -> None:
    korean = "한국어".encode()
    assert decode_page(b"<!-- " + META + b" -->" + korean, "").endswith("한국어")
    assert decode_page(b" " * 1024 + META + korean, "").endswith("한국어")


def test_a_meta_cannot_say_utf_16() -> None:
    assert decode_page(b'<meta charset="utf-16">' + "é".encode(), "").endswith("é")


def test_without_a_word_utf_8_then_windows_1252() -> None:
    assert decode_page("日本".encode(), "") == "日本"
    assert decode_page(b"caf\xe9 \x93x\x94", "") == "café “x”"


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("iso-8859-1", "cp1252", "“é”"),
        ("latin1", "cp1252", "“é”"),
        ("us-ascii", "cp1252", "é"),
        ("gb2312", "gb18030", "中國镕"),
        ("shift_jis", "cp932", "日本①"),
        ("x-sjis", "cp932", "日本"),
        ("euc-jp", "euc_jp", "日本"),
        ("ks_c_5601-1987", "cp949", "똠"),
        ("big5", "big5hkscs", "中文"),
        ("windows-1251", "cp1251", "Привет"),
        ("koi8-r", "koi8-r", "Привет"),
        ("iso-8859-2", "iso8859-2", "Łódź"),
        ("iso-8859-9", "cp1254", "İğ“"),
    ],
)
def test_labels_mean_what_the_encoding_standard_says(label: str, codec: str, text: str) -> None:
    assert decode_page(text.encode(codec), f"text/html; charset={label}") == text


@pytest.mark.parametrize(
    "label", ["nonsense", "utf-7", "idna", "zlib", "rot13", "hex", "\0", "x" * 999]
)
def test_what_the_web_does_not_know_is_not_believed(label: str) -> None:
    assert decode_page("é".encode(), f"text/html; charset={label}") == "é"


def test_bad_bytes_never_raise() -> None:
    assert decode_page(b"a\xffb", "text/html; charset=utf-8") == "a\ufffdb"
    assert "a" in decode_page(b"a\xff\x81", "text/html; charset=euc-kr")
