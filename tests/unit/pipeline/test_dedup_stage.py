import hashlib
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pairs_fixture import FETCHED, build_crawl, make_pair
from samples_fixture import make_run
from webpairs_core.errors import NothingLeft, PartCorrupt
from webpairs_core.records import Pair, TextSource
from webpairs_core.schema import CANDIDATES, REJECTS, read_table
from webpairs_pipeline.run import Run
from webpairs_pipeline.stages import STAGES, run_stage

SPECS = [spec for spec in STAGES if spec.command == "filter"]


def deduplicated(run: Run) -> list[dict[str, Any]]:
    """Filter and deduplicate; the candidates in order."""
    with run.ledger.lock():
        for spec in SPECS:
            run_stage(spec, run)
    entries = run.ledger.outputs("dedup", "candidates/")
    return [r for e in entries for r in read_table(run.out / e.path, CANDIDATES).to_pylist()]


def rejects(run: Run) -> list[dict[str, Any]]:
    [entry] = run.ledger.outputs("dedup", "rejects/dedup/")
    found: list[dict[str, Any]] = read_table(run.out / entry.path, REJECTS).to_pylist()
    return found


def test_the_first_place_stays_whatever_was_read_first(tmp_path: Path) -> None:
    later = FETCHED + timedelta(hours=1)
    first = make_pair(page_url="http://a.test/1", position=3, fetched_at=later)
    others = [
        make_pair(page_url="http://a.test/1", position=4),
        make_pair(page_url="http://a.test/2", position=0),
        make_pair(page_url="http://a.test/1", position=3, text_source=TextSource.TITLE),
    ]
    build_crawl(tmp_path, [others[:2], [first], others[2:]])
    run = make_run(tmp_path)
    [kept] = deduplicated(run)
    assert (kept["position"], kept["text_source"], kept["fetched_at"]) == (3, "alt", later)
    assert (
        rejects(run)
        == [{"key": first.key, "stage": "dedup", "reason": "duplicate_pair", "dup_of": first.key}]
        * 3
    )
    [funnel] = run_stage(SPECS[1], run).funnels
    assert (funnel.rows_in, funnel.kept, funnel.rejected) == (4, 1, {"duplicate_pair": 3})


def test_hosts_lie_together_and_parts_are_full(tmp_path: Path) -> None:
    pairs = [
        make_pair(f"a picture {i}", url=f"http://h{i % 7}.test/{i}.jpg", page_url=f"http://p/{i}")
        for i in range(95)
    ]
    build_crawl(tmp_path, [pairs])
    run = make_run(tmp_path, fetch={"rows_per_part": 20})
    kept = deduplicated(run)
    hosts = [row["host"] for row in kept]
    assert sum(one != other for one, other in pairwise(hosts)) == 6
    assert hosts != sorted(hosts)
    assert {row["key"] for row in kept} == {pair.key for pair in pairs}
    sizes = [entry.rows for entry in run.ledger.outputs("dedup", "candidates/")]
    assert sizes == [20, 20, 20, 20, 15]
    assert not list((tmp_path / "run" / "tmp").rglob("*.*"))


def test_repeats_may_stay_with_keys_of_their_own(tmp_path: Path) -> None:
    pairs = [make_pair(page_url=f"http://a.test/{i}") for i in range(5)]
    build_crawl(tmp_path, [pairs[3:], pairs[:3]])
    run = make_run(tmp_path, dedup={"by": "none"})
    kept = deduplicated(run)
    key = pairs[0].key
    assert [row["page_url"] for row in kept] == [pair.page_url for pair in pairs]
    own_keys = [hashlib.sha256(key + n.to_bytes(8, "big")).digest()[:16] for n in range(1, 5)]
    assert [row["key"] for row in kept] == [key, *own_keys]
    assert len({row["key"] for row in kept}) == 5
    assert rejects(run) == []


def test_one_text_of_a_url_stays_and_the_others_name_it(tmp_path: Path) -> None:
    first = make_pair("a kite", page_url="http://a.test/1")
    other = make_pair("a red kite", page_url="http://a.test/2")
    build_crawl(tmp_path, [[other], [make_pair("a kite", page_url="http://b.test/")], [first]])
    run = make_run(tmp_path, dedup={"by": "url"})
    assert [row["page_url"] for row in deduplicated(run)] == ["http://a.test/1"]
    reasons = {(row["key"], row["reason"], row["dup_of"]) for row in rejects(run)}
    assert reasons == {
        (first.key, "duplicate_pair", first.key),
        (other.key, "duplicate_url", first.key),
    }
    [funnel] = run_stage(SPECS[1], run).funnels
    assert funnel.rejected == {"duplicate_pair": 1, "duplicate_url": 1}


def test_what_the_corpus_shows_too_often_goes(tmp_path: Path) -> None:
    logo = [make_pair(f"words number {i}", url="http://a.test/logo") for i in range(4)]
    words = [make_pair("a fine picture", url=f"http://a.test/{i}") for i in range(3)]
    repeat = make_pair("a fine picture", url="http://a.test/0", page_url="http://pages.test/2")
    build_crawl(tmp_path, [logo[:2], words, [*logo[2:], repeat, make_pair("a kite")]])
    run = make_run(tmp_path, dedup={"max_images_per_text": 2, "max_texts_per_image": 3})
    assert [row["text"] for row in deduplicated(run)] == ["a kite"]
    [funnel] = run_stage(SPECS[1], run).funnels
    assert funnel.rejected == {"image_shared": 4, "text_shared": 3, "duplicate_pair": 1}


def test_counts_that_drop_all_are_one_sentence(tmp_path: Path) -> None:
    build_crawl(tmp_path, [[make_pair("a kite", url=f"http://a.test/{i}") for i in range(2)]])
    with pytest.raises(NothingLeft, match=r"none of 2 pairs: raise max_images_per_text"):
        deduplicated(make_run(tmp_path, dedup={"max_images_per_text": 1}))


def test_repeats_over_many_batches_are_one_run(tmp_path: Path) -> None:
    pairs = [make_pair(position=i) for i in range(20_000)]
    build_crawl(tmp_path, [pairs, [make_pair("another")]])
    run = make_run(tmp_path, filters=[])
    assert len(deduplicated(run)) == 2
    assert len(rejects(run)) == 19_999


def test_a_damaged_part_is_one_sentence(tmp_path: Path) -> None:
    pairs = [make_pair(hashlib.sha256(bytes([i])).hexdigest() + " words") for i in range(200)]
    build_crawl(tmp_path, [pairs])
    run = make_run(tmp_path)
    with run.ledger.lock():
        run_stage(SPECS[0], run)
    [entry] = run.ledger.outputs("filter", "run/filtered/")
    part = tmp_path / entry.path
    data = bytearray(part.read_bytes())
    data[4:2000] = bytes(1996)
    part.write_bytes(data)
    with pytest.raises(PartCorrupt, match=r"is damaged .*--fresh") as caught:
        deduplicated(run)
    assert "\n" not in str(caught.value)


def test_no_pair_is_lost_from_one_page(tmp_path: Path) -> None:
    page: list[Pair] = [make_pair(f"figure number {i}", position=i) for i in range(10)]
    build_crawl(tmp_path, [page])
    kept = deduplicated(make_run(tmp_path))
    assert sorted(str(row["text"]) for row in kept) == sorted(pair.text for pair in page)
