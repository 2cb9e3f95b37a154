from pathlib import Path
from typing import Any

import pytest

from pairs_fixture import build_crawl, make_pair
from samples_fixture import make_run
from webpairs_core.errors import ListError, NothingLeft
from webpairs_core.ledger import FileEntry
from webpairs_core.records import Pair
from webpairs_core.schema import CANDIDATES, REJECTS, read_table
from webpairs_pipeline.report import info_lines, write_html
from webpairs_pipeline.rules_report import examples_of_run
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.stages import STAGES, fingerprint, run_stage

SPEC = next(spec for spec in STAGES if spec.name == "filter")
FILTERS = [
    {"use": "text_length", "min_chars": 5},
    {"use": "text_junk"},
    {"use": "url_junk"},
    {"use": "language", "keep": ["en"]},
]
ENGLISH = "A wooden boat on the shore of a quiet lake"
GERMAN = "Ein Hund läuft am Abend über den Strand"


def filtered(run: Run) -> tuple[Made, list[dict[str, Any]], dict[bytes, str]]:
    """Run the stage; what it made, the kept rows, and the reason of each reject."""
    with run.ledger.lock():
        made = run_stage(SPEC, run)
    entries = run.ledger.outputs("filter")
    kept = [row for e in entries if "filtered" in e.path for row in rows(run, e, is_kept=True)]
    dropped = [row for e in entries if "rejects" in e.path for row in rows(run, e, is_kept=False)]
    assert all(row["stage"] == "filter" and row["dup_of"] is None for row in dropped)
    return made, kept, {row["key"]: row["reason"] for row in dropped}


def rows(run: Run, entry: FileEntry, *, is_kept: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_table(
        run.out / entry.path, CANDIDATES if is_kept else REJECTS
    ).to_pylist()
    assert len(found) == entry.rows
    return found


def a_web() -> list[Pair]:
    return [
        make_pair(ENGLISH, url="https://img.a.example.co.uk/1.jpg"),
        make_pair(GERMAN),
        make_pair("logo!"),
        make_pair(ENGLISH, url="http://[::1]:8080/spacer.gif"),
        make_pair(ENGLISH, url="http://127.0.0.2:80/2.jpg", optout=("meta-robots:noai@page",)),
        make_pair(ENGLISH, url="http://127.0.0.2:80/3.jpg", optout=("meta-robots:noindex@page",)),
    ]


def test_every_pair_is_kept_or_has_a_reason(tmp_path: Path) -> None:
    web = a_web()
    build_crawl(tmp_path, [web[:4], web[4:]])
    made, kept, reasons = filtered(make_run(tmp_path, filters=FILTERS))
    assert [(row["key"], row["host"]) for row in kept] == [
        (web[0].key, "example.co.uk"),
        (web[5].key, "127.0.0.2"),
    ]
    assert reasons == {
        web[1].key: "language",
        web[2].key: "text_boilerplate",
        web[3].key: "url_placeholder",
        web[4].key: "opted_out",
    }
    [funnel] = made.funnels
    assert (funnel.rows_in, funnel.kept, sum(funnel.rejected.values())) == (6, 2, 4)
    assert made.info["languages"] == {"en": 2}


@pytest.mark.parametrize(("policy", "n_opted_out"), [("report", 0), ("default", 1), ("strict", 2)])
def test_the_recipe_says_which_opt_outs_count(
    tmp_path: Path, policy: str, n_opted_out: int
) -> None:
    build_crawl(tmp_path, [a_web()])
    made, kept, _ = filtered(make_run(tmp_path, crawl={"optout": policy}))
    assert made.funnels[0].rejected.get("opted_out", 0) == n_opted_out
    assert len(kept) == 6 - n_opted_out


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    parts = [[make_pair(f"{ENGLISH} {p} {i}") for i in range(20)] for p in range(3)]
    made = []
    for workers in (1, 2):
        out = build_crawl(tmp_path / str(workers), parts)
        run = make_run(out, workers=workers, filters=FILTERS)
        filtered(run)
        made.append(run.ledger.stage_digest("filter"))
    assert made[0] == made[1]


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 7, 100])
def test_a_limit_takes_the_first_pairs_in_the_order_of_parts(tmp_path: Path, limit: int) -> None:
    pairs = [make_pair(f"{ENGLISH} {i}") for i in range(9)]
    build_crawl(tmp_path, [pairs[:3], [], pairs[3:4], pairs[4:]])
    made, kept, _ = filtered(make_run(tmp_path, limit=limit))
    assert [row["key"] for row in kept] == [pair.key for pair in pairs[:limit]]
    assert made.funnels[0].rows_in == min(limit, 9)


def test_nothing_left_names_the_reason(tmp_path: Path) -> None:
    build_crawl(tmp_path, [[make_pair(GERMAN), make_pair(GERMAN + "!"), make_pair("logo!")]])
    run = make_run(tmp_path, filters=FILTERS)
    for _ in range(2):
        with pytest.raises(NothingLeft, match=r"none of 3 pairs.* language \(2\).*\[\[filters\]\]"):
            filtered(run)


def test_a_crawl_without_pairs_is_told_apart(tmp_path: Path) -> None:
    build_crawl(tmp_path, [[]])
    with pytest.raises(NothingLeft, match="found no image with a text"):
        filtered(make_run(tmp_path))


def test_a_change_of_filters_filters_again(tmp_path: Path) -> None:
    build_crawl(tmp_path, [a_web()])
    filtered(make_run(tmp_path, filters=FILTERS))
    _, kept, _ = filtered(make_run(tmp_path, filters=FILTERS[:1]))
    assert len(kept) == 5


RULES = [
    {"use": "text_length", "min_chars": 5},
    {"use": "text_words", "min_words": 2},
    {"use": "language", "keep": ["en"]},
    {"use": "url_junk"},
]


def test_the_funnel_by_rule_and_its_examples_do_not_depend_on_parts(tmp_path: Path) -> None:
    web = [
        *a_web(),
        *(make_pair("no", url=f"http://a.test/{i}.jpg") for i in range(30)),
        make_pair("<b>no", url="http://a.test/spacer.gif"),
    ]
    found = []
    for name, parts in (("one", [web]), ("three", [web[20:], web[:7], web[7:20]])):
        out = build_crawl(tmp_path / name, parts)
        made, *_ = filtered(make_run(out, filters=RULES))
        found.append((made.info["rules"], examples_of_run(out)))
        page = write_html(out).read_text("utf-8")
        assert '<td class="said">&lt;b&gt;no</td>' in page
        assert "<tr><th>text_too_few_words</th><td>2</td><td>32</td></tr>" in page
        assert page.count("<summary>") == 4
    assert found[0] == found[1]
    rules, examples = found[0]
    assert rules == {
        "text_too_short": {"first": 30, "alone": 30},
        "text_too_long": {"first": 0, "alone": 0},
        "text_too_few_words": {"first": 2, "alone": 32},
        "text_too_many_words": {"first": 0, "alone": 0},
        "language": {"first": 1, "alone": 1},
        "tracking_pixel": {"first": 0, "alone": 0},
        "url_extension": {"first": 0, "alone": 0},
        "url_placeholder": {"first": 1, "alone": 2},
    }
    assert {reason: len(some) for reason, some in examples.items()} == {
        "text_too_short": 20,
        "text_too_few_words": 2,
        "language": 1,
        "url_placeholder": 1,
    }
    lines = info_lines("filter", {"rules": rules})
    assert "  - text_too_few_words                     2            32" in lines
    assert any(line.startswith("  - language * ") for line in lines)
    assert "* asked only for the rows that no filter before it drops" in lines[-1]


def test_a_missing_list_ends_the_stage_before_it_begins(tmp_path: Path) -> None:
    build_crawl(tmp_path, [a_web()])
    filters = [{"use": "blocked_words", "words": str(tmp_path / "bad.txt")}]
    run = make_run(tmp_path, filters=filters)
    with pytest.raises(ListError, match=r"there is no list .*bad\.txt"):
        filtered(run)
    assert list(run.ledger.stage("filter").commits()) == []


def test_an_edited_list_filters_again(tmp_path: Path) -> None:
    build_crawl(tmp_path, [a_web()])
    (tmp_path / "bad.txt").write_text("boat\n", "utf-8")
    run = make_run(tmp_path, filters=[{"use": "blocked_words", "words": str(tmp_path / "bad.txt")}])
    before = fingerprint(SPEC, run)
    assert fingerprint(SPEC, run) == before
    (tmp_path / "bad.txt").write_text("Hund\n", "utf-8")
    assert fingerprint(SPEC, run) != before
