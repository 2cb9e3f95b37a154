"""Encoding sniffing: who wins, and what a lie costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpairs_crawler.web.encoding import codec_of, decode_page, utf8_page
from webpairs_crawler.web.prescan import PRESCAN_BYTES, prescan

HEADS = [b"<meta ", b"charset", b"=", b'"', b"'", b">", b"<", b"!--", b"-->", b"utf-8", b" ", b"/"]
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


TURKISH = "cp1254"
PRAGMA = b'http-equiv="Content-Type"'


@pytest.mark.parametrize(
    ("head", "codec"),
    [
        (b"<!doctype html>", ""),
        # how the attribute may be written
        (b'<meta charset="ISO-8859-9">', TURKISH),
        (b"<meta charset='ISO-8859-9'>", TURKISH),
        (b"<meta charset=ISO-8859-9>", TURKISH),
        (b"<META CharSet=iso-8859-9>", TURKISH),
        (b"<meta\ncharset=ISO-8859-9>", TURKISH),
        (b"<meta/charset=ISO-8859-9>", TURKISH),
        (b"<meta charset = \n 'ISO-8859-9'>", TURKISH),
        (b'<meta charset="\nISO-8859-9\t">', TURKISH),
        (b"<meta charset=ISO-8859-9 >", TURKISH),
        (b"<meta charset=ISO-8859-9/>", ""),  # the slash belongs to the value
        (b"<meta charset=ISO-8859-9 />", TURKISH),
        (b"<metacharset=ISO-8859-9>", ""),
        (b"<metal charset=ISO-8859-9>", ""),
        (b'<meta charset="ISO-8859-9>\n<p>"</p>', ""),  # the quote closes too late
        (b'<meta charset=ISO-8859-9">', ""),
        (b'<meta " charset=ISO-8859-9>', TURKISH),
        (b'<meta test" charset=ISO-8859-9>', TURKISH),
        (b'<meta test=x" charset=ISO-8859-9>', TURKISH),
        (b'<meta test="" charset=ISO-8859-9>', TURKISH),
        (b'<meta test=" charset=ISO-8859-9>\n<p>"</p>', ""),
        (b"<meta test='\" charset=ISO-8859-9>\n<p>'\"</p>", ""),
        (b"<meta =charset=ISO-8859-9>", ""),  # a name may start with the sign
        (b"<meta charset=ISO-8859-9 charset=utf-8>", TURKISH),  # the first of two counts
        # the older way
        (b"<meta " + PRAGMA + b' content="text/html; charset=ISO-8859-9">', TURKISH),
        (b'<meta content="text/html; charset=ISO-8859-9" ' + PRAGMA + b">", TURKISH),
        (b"<meta " + PRAGMA + b" content=text/html; charset=ISO-8859-9>", TURKISH),
        (b"<meta " + PRAGMA + b" content=charset=ISO-8859-9>", TURKISH),
        (b"<meta " + PRAGMA + b" content=' text/html; charset = ISO-8859-9 '>", TURKISH),
        (b"<meta " + PRAGMA + b" content='charset=\"ISO-8859-9\"'>", TURKISH),
        (b"<meta " + PRAGMA + b" content='charset=\"ISO-8859-9'>", ""),
        (b"<meta " + PRAGMA + b" content='charsetcharset charset=ISO-8859-9'>", TURKISH),
        (b'<meta content="text/html; charset=ISO-8859-9">', ""),  # no pragma
        (b'<meta http-equiv=refresh content="charset=ISO-8859-9">', ""),
        (b'<meta name=description content="charset=ISO-8859-9">', ""),
        (b'<meta charset=nonsense content="charset=ISO-8859-9" ' + PRAGMA + b">", ""),
        # the first that names one wins
        (b"<meta charset=ISO-8859-9><meta charset=utf-8>", TURKISH),
        (b"<meta charset=nonsense><meta charset=ISO-8859-9>", TURKISH),
        (b"<meta name=x><meta charset=ISO-8859-9>", TURKISH),
        # what is not read
        (b"<!--<meta charset=utf-8>--><meta charset=ISO-8859-9>", TURKISH),
        (b"<!--><meta charset=ISO-8859-9>", TURKISH),  # a whole comment
        (b"<!-- <meta charset=ISO-8859-9>", ""),
        (b"<p title='<meta charset=utf-8>'><meta charset=ISO-8859-9>", TURKISH),
        (b'<p title="x>\n<meta charset=ISO-8859-9>\n<p>"</p>', ""),
        (b'</p title="<meta charset=utf-8>"><meta charset=ISO-8859-9>', TURKISH),
        (b"<!doctype a='<meta charset=ISO-8859-9>'>", ""),
        (b"<!doctype a='><meta charset=ISO-8859-9>'>", TURKISH),  # it ends at the first angle
        (b"<? <meta charset=utf-8> <meta charset=ISO-8859-9>", TURKISH),
        (b"< meta charset=ISO-8859-9>", ""),
        (b"<script>'<meta charset=ISO-8859-9>'</script>", TURKISH),  # raw text is unknown here
        # UTF-16 and its kin
        (b"<meta charset=utf-16>", "utf-8"),
        (b"<meta charset=utf-16be>", "utf-8"),
        (b"<meta charset=x-user-defined>", "cp1252"),
        (b"<meta charset=hz-gb-2312>", ""),
        # XML declarations
        (b"<?xml version='1.0' encoding='ISO-8859-9'?>", TURKISH),
        (b'<?xml encoding="ISO-8859-9"?><meta charset=euc-kr>', "cp949"),
        (b' <?xml encoding="ISO-8859-9"?>', ""),
        (b"<\x00?\x00x\x00m\x00l\x00", "utf-16-le"),
        (b"\x00<\x00?\x00x\x00m", "utf-16-be"),
    ],
)
def test_the_prescan(head: bytes, codec: str) -> None:
    assert prescan(head + b"<p>text") == codec


def test_the_prescan_ends_with_the_first_kilobyte() -> None:
    meta = b"<meta charset=ISO-8859-9>"
    room = PRESCAN_BYTES - len(meta)
    assert prescan(b" " * room + meta) == TURKISH
    assert prescan(b" " * (room + 1) + meta) == ""
    assert prescan(b"<!--" + b"x" * (room - 7) + b"-->" + meta) == TURKISH


@given(st.binary(max_size=200) | st.lists(st.sampled_from(HEADS), max_size=12).map(b"".join))
def test_the_prescan_takes_anything(head: bytes) -> None:
    codec = prescan(head)
    assert codec == "" or head.decode(codec, "replace") is not None


def test_every_label_has_a_decoder() -> None:
    for label in (
        "utf8",
        "L5",
        " latin1\t",
        "Shift_JIS",
        "iso-8859-16",
        "x-mac-cyrillic",
        "dos-874",
    ):
        assert b"a".decode(codec_of(label)) == "a"
    assert codec_of("utf-7") == codec_of("iso-2022-kr") == codec_of("") == ""


@pytest.mark.parametrize(
    ("content_type", "codec"),
    [
        ("text/html; charset=euc-kr", "cp949"),
        ('text/html;charset="euc-kr"; x=y', "cp949"),
        ("text/html; CHARSET = euc-kr", "cp949"),
        ("text/html; charset='euc-kr'", "cp949"),
        ("text/html; xcharset=euc-kr", "utf-8"),
        ("text/html; charset=", "utf-8"),
        ("text/html; charset=nonsense", "utf-8"),
    ],
)
def test_the_http_charset(content_type: str, codec: str) -> None:
    assert decode_page("\ud55c".encode(codec), content_type) == "\ud55c"


def test_the_parser_gets_utf_8() -> None:
    utf_8 = "caf\u00e9".encode()
    assert utf8_page(utf_8, "text/html; charset=utf-8") is utf_8
    assert utf8_page(b"\xef\xbb\xbf" + utf_8, "") == utf_8
    assert utf8_page(b"caf\xe9", "") == utf_8
    assert utf8_page(b"a\xffb", "text/html; charset=utf-8") == "a\ufffdb".encode()
    assert utf8_page(b"\xff\xfe\x00\xd8", "") == "\ufffd".encode()
