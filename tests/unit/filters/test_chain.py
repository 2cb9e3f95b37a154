from collections import Counter
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from pairs_fixture import batch_of, make_pair
from webpairs_core.schema import CANDIDATES, REJECTS
from webpairs_core.text import normalise_text
from webpairs_filters.chain import judge
from webpairs_filters.language.language import Language
from webpairs_filters.text.junk import TextJunk
from webpairs_filters.text.length import TextLength
from webpairs_filters.url.junk import UrlJunk

CHAIN = (TextLength(), TextJunk(), UrlJunk(), Language(keep=("en",)))


def test_rows_in_are_kept_plus_rejected_and_the_first_objection_counts() -> None:
    pairs = [
        make_pair("A wooden boat on the shore of a quiet lake"),
        make_pair("img", url="http://a.test/spacer.gif"),
        make_pair("DSC_0042", url="http://a.test/spacer.gif"),
        make_pair("Ein Hund läuft am Abend über den Strand", url="http://a.test/spacer.gif"),
        make_pair("Ein Hund läuft am Abend über den Strand"),
    ]
    kept, rejects, _, _ = judge(CHAIN, batch_of(pairs))
    assert kept.schema.equals(CANDIDATES, check_metadata=True)
    assert rejects.schema.equals(REJECTS, check_metadata=True)
    assert kept["key"].to_pylist() == [pairs[0].key]
    assert {row["key"]: row["reason"] for row in rejects.to_pylist()} == {
        pairs[1].key: "text_too_short",
        pairs[2].key: "text_file_name",
        pairs[3].key: "url_placeholder",
        pairs[4].key: "language",
    }


def test_without_a_language_filter_no_language_is_said() -> None:
    kept, *_ = judge((TextLength(),), batch_of([make_pair()]))
    [row] = kept.to_pylist()
    assert (row["lang"], row["lang_score"], row["lang_detector"]) == ("", 0.0, "")


def test_an_empty_batch_stays_empty() -> None:
    kept, rejects, alone, examples = judge(CHAIN, batch_of([]))
    assert len(kept) == len(rejects) == 0
    assert set(alone.values()) == {0}
    assert examples == {}


def test_the_real_sites_keep_nearly_all_their_alts(data_dir: Path) -> None:
    pairs = []
    for page in sorted((data_dir / "site" / "18f").rglob("*.html")):
        for image in LexborHTMLParser(page.read_bytes()).css("img"):
            text = normalise_text(image.attributes.get("alt") or "")
            if text:
                url = f"http://18f.test/{image.attributes.get('src')}"
                pairs.append(make_pair(text, url=url))
    kept, rejects, *_ = judge((TextLength(min_chars=3), TextJunk(), UrlJunk()), batch_of(pairs))
    reasons = Counter(rejects["reason"].to_pylist())
    assert len(pairs) == len(kept) + sum(reasons.values())
    assert reasons["text_file_name"] == 5, reasons
    assert reasons["url_placeholder"] == reasons["tracking_pixel"] == 0, reasons
    assert len(kept) > 0.9 * len(pairs)
