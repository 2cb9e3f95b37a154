"""webpairs purge: what a folder of shards is after samples were taken out of it."""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command import Word, webpairs
from purges import list_of, purge_now, rows_of, state
from samples_fixture import build_samples, build_shards, make_run, shard
from webpairs_core.errors import NothingLeft, ShardCorrupt, ShardError
from webpairs_core.files import file_sha256
from webpairs_pipeline.report import stage_reports
from webpairs_pipeline.run import Run
from webpairs_shards.check.verify import verify
from webpairs_shards.format.manifest import PurgedList, read_manifest
from webpairs_shards.read.open import open_shards
from webpairs_shards.read.reader import ShardReader
from webpairs_shards.read.sample import BrokenSample
from webpairs_shards.write.copy import copy

N = 30


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("built"), N, samples_per_shard=10).parent


@pytest.fixture
def shards(built: Path, tmp_path: Path) -> Path:
    """The shards of a run of its own, which the test may change."""
    return Path(shutil.copytree(built, tmp_path / "out")) / "shards"


def run_on(out: Path, **changes: Any) -> Run:
    """The run that `build_shards` makes."""
    sections: dict[str, Any] = {
        "dedup": {"near_duplicate_distance": -1},
        "shards": {"samples_per_shard": 10},
    }
    return make_run(out, **(sections | changes))


def tar_samples(shards: Path) -> list[tuple[str, dict[str, bytes]]]:
    """Name of the shard and members of each sample, as plain tarfile finds them."""
    found: list[tuple[str, dict[str, bytes]]] = []
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, ending = member.name.partition(".")
                if not found or found[-1][1]["key"] != key.encode():
                    found.append((path.stem, {"key": key.encode()}))
                stream = tar.extractfile(member)
                assert stream is not None
                found[-1][1][ending] = stream.read()
    return found


def test_the_command_line(shards: Path, tmp_path: Path) -> None:
    rows = rows_of(shards)
    first, second, third = rows[0], rows[1], rows[12]
    urls = list_of(tmp_path / "urls.txt", [first["url"], third["url"]])
    keys = list_of(tmp_path / "keys.txt", [second["key"], first["key"]])
    before = tar_samples(shards)
    words: list[Word] = ["purge", shards, "--url", urls, "--key", keys]
    dry = webpairs(*words, "--dry-run").ok()
    assert "3 of 30 samples would go, from 2 of 3 shards" in dry.out
    assert tar_samples(shards) == before
    done = webpairs(*words).ok()
    lines = done.out.splitlines()
    assert f"{shards}: 3 of 30 samples are removed, from 2 of 3 shards" in lines
    assert {" ".join(line.split()) for line in lines[1:-1]} == {
        "named by url 2",
        "named by key 2",
        "shard-000000 2 of 10",
        "shard-000001 1 of 10",
    }
    assert lines[-1] == str(shards)
    assert "`webpairs shard` leaves them out as long as" in done.err
    gone = {row["key"].encode() for row in (first, second, third)}
    assert tar_samples(shards) == [each for each in before if each[1]["key"] not in gone]
    assert "27 samples: 0 faults" in webpairs("verify", shards).ok().out
    again = webpairs(*words, "--json").ok()
    assert json.loads(again.out)["removed"] == 0
    assert "nothing to remove among 27 samples" in webpairs(*words).ok().out


@pytest.mark.parametrize("rule", ["url", "page", "key", "sha256", "phash"])
def test_each_kind_of_list(shards: Path, tmp_path: Path, rule: str) -> None:
    rows = rows_of(shards)
    column = {"page": "page_url"}.get(rule, rule)
    wanted = [row for row in rows if row[column] in (rows[3][column], rows[25][column])]
    path = list_of(tmp_path / "list.txt", [rows[3][column], rows[25][column]])
    lists: dict[str, Any] = {rule: (path,), "phash_distance": 0}
    result = purge_now(shards, **lists)
    assert result["removed"] == len(wanted) > 1
    assert result["folders"][0]["by"] == {rule: len(wanted)}
    assert rows_of(shards) == [row for row in rows if row not in wanted]
    assert verify(shards).faults == []


@pytest.mark.parametrize("rule", ["domain", "page_domain"])
def test_a_domain(shards: Path, tmp_path: Path, rule: str) -> None:
    path = list_of(tmp_path / "list.txt", ["host2.example"])
    lists: dict[str, Any] = {rule: (path,)}
    assert purge_now(shards, **lists)["removed"] == N // 5
    assert "host2.example" not in {row["host"] for row in rows_of(shards)}
    assert verify(shards).faults == []


def test_a_near_picture_goes_only_within_the_distance(shards: Path, tmp_path: Path) -> None:
    row = rows_of(shards)[7]
    near = list_of(tmp_path / "list.txt", [f"{int(row['phash'], 16) ^ 0b10101:016x}"])
    assert purge_now(shards, phash=(near,), phash_distance=2)["removed"] == 0
    assert purge_now(shards, phash=(near,), phash_distance=3)["removed"] == 1
    assert row["key"] not in {each["key"] for each in rows_of(shards)}


def test_untouched_shards_keep_their_bytes_and_times(shards: Path, tmp_path: Path) -> None:
    stamps = {p.name: (file_sha256(p), p.stat().st_mtime_ns) for p in shards.glob("shard-*")}
    path = list_of(tmp_path / "list.txt", [rows_of(shards)[15]["key"]])
    purge_now(shards, key=(path,))
    after = {p.name: (file_sha256(p), p.stat().st_mtime_ns) for p in shards.glob("shard-*")}
    changed = {name for name in stamps if stamps[name] != after[name]}
    assert set(after) == set(stamps)
    assert changed == {f"shard-000001.{ending}" for ending in ("tar", "idx", "parquet")}


def test_what_describes_the_folder_follows(shards: Path, tmp_path: Path) -> None:
    before = read_manifest(shards)
    path = list_of(tmp_path / "list.txt", ["host1.example"])
    purge_now(shards, domain=(path,))
    after = read_manifest(shards)
    assert after.n_samples == sum(entry.samples for entry in after.shards) == N - 6
    assert after.recipe == before.recipe
    assert json.loads((shards / "sizes.json").read_text()) == {
        f"{entry.name}.tar": entry.samples for entry in after.shards
    }
    card = (shards / "README.md").read_text()
    assert "\n24 image-text samples in 3 WebDataset shards" in card
    assert "host1.example" not in card
    assert "| alt | 24 |" in card
    assert "fetch: 30 candidates in" in card
    assert "Of these, 6 were removed later" in card
    croissant = json.loads((shards / "croissant.json").read_text())
    assert croissant["description"].startswith("24 image-text samples")
    digests = {each.get("name"): each.get("sha256") for each in croissant["distribution"]}
    for entry in after.shards:
        assert digests[f"{entry.name}.tar"] == entry.sha256


def test_a_card_that_tells_no_funnel(shards: Path, tmp_path: Path) -> None:
    (shards / "README.md").write_text("our own words")
    path = list_of(tmp_path / "list.txt", [rows_of(shards)[0]["key"]])
    purge_now(shards, key=(path,))
    assert "The card from before the purge did not tell." in (shards / "README.md").read_text()


def test_the_list_of_what_went_names_nobody_and_is_signed(shards: Path, tmp_path: Path) -> None:
    rows = rows_of(shards)
    first = list_of(tmp_path / "first.txt", ["host3.example"])
    purge_now(shards, domain=(first,))
    second = list_of(tmp_path / "second.txt", [rows_of(shards)[4]["key"]])
    was = (shards / "purged.jsonl").read_bytes()
    purge_now(shards, key=(second,))
    data = (shards / "purged.jsonl").read_bytes()
    assert data.startswith(was)
    lines = [json.loads(line) for line in data.splitlines()]
    gone = [row for row in rows if row["key"] in {line["key"] for line in lines}]
    assert len(lines) == len(gone) == 7
    for line in lines:
        row = next(row for row in gone if row["key"] == line["key"])
        shared = ("key", "shard", "sha256", "phash")
        assert {name: line.pop(name) for name in shared} == {name: row[name] for name in shared}
        assert line.pop("by") == (["domain"] if row["host"] == "host3.example" else ["key"])
        assert line.pop("date").startswith("20")
        assert line == {}
    manifest = read_manifest(shards)
    assert manifest.purged == PurgedList(7, file_sha256(shards / "purged.jsonl"))
    assert verify(shards).faults == []
    with (shards / "purged.jsonl").open("ab") as file:
        file.write(data.splitlines()[0] + b"\n")
    third = list_of(tmp_path / "third.txt", [rows_of(shards)[0]["key"]])
    with pytest.raises(ShardCorrupt, match=r"purged\.jsonl is not the list that manifest\.json"):
        purge_now(shards, key=(third,))


def test_nothing_of_what_went_is_left_in_the_folder(shards: Path, tmp_path: Path) -> None:
    rows, samples = rows_of(shards), tar_samples(shards)
    gone = [row for row in rows if row["host"] == "host4.example"]
    path = list_of(tmp_path / "list.txt", [row["url"] for row in gone])
    purge_now(shards, url=(path,))
    whole = b"".join(p.read_bytes() for p in shards.rglob("*") if p.is_file())
    left = rows_of(shards)
    pictures = {members["key"].decode(): members["jpg"] for _, members in samples}
    for row in gone:
        assert row["url"] not in {each["url"] for each in left}
        assert row["url"].encode() not in whole
        assert row["caption"].encode() not in whole
        assert pictures[row["key"]] not in whole
    assert sorted(p.name for p in shards.iterdir() if p.name.startswith((".", "purge"))) == [
        "purged.jsonl"
    ]


def test_a_shard_that_loses_all_goes(shards: Path, tmp_path: Path) -> None:
    rows = rows_of(shards)
    middle = list_of(
        tmp_path / "list.txt", [r["sha256"] for r in rows if r["shard"] == "shard-000001"]
    )
    result = webpairs("purge", shards, "--sha256", middle).ok()
    assert "10 of 30 samples are removed, from 1 of 3 shards, 1 of them as a whole" in result.out
    assert [entry.name for entry in read_manifest(shards).shards] == [
        "shard-000000",
        "shard-000002",
    ]
    assert not list(shards.glob("shard-000001.*"))
    assert verify(shards).faults == []
    reader = open_shards(shards)
    keys = [reader.read(i).key for i in range(reader.n_samples)]
    assert keys == [row["key"] for row in rows if row["shard"] != "shard-000001"]


def test_a_list_that_names_all_is_refused(shards: Path, tmp_path: Path) -> None:
    before = state(shards)
    path = list_of(tmp_path / "list.txt", ["example"])
    with pytest.raises(NothingLeft, match="name all 30 samples"):
        purge_now(shards, domain=(path,))
    assert state(shards) == before


def test_any_number_of_workers_makes_the_same(built: Path, tmp_path: Path) -> None:
    path = list_of(tmp_path / "list.txt", ["host0.example", "host3.example"])
    states = []
    for n in (1, 2):
        out = Path(shutil.copytree(built, tmp_path / str(n)))
        purge_now(out / "shards", domain=(path,), workers=n)
        states.append(state(out))
    assert states[0] == states[1]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_webdataset_reads_what_is_left(shards: Path, tmp_path: Path) -> None:
    import webdataset

    path = list_of(tmp_path / "list.txt", ["host0.example"])
    purge_now(shards, domain=(path,))
    tars = [str(each) for each in sorted(shards.glob("*.tar"))]
    found = [
        (sample["__key__"], sample["jpg"], json.loads(sample["json"])["url"])
        for sample in webdataset.WebDataset(tars, shardshuffle=False, empty_check=False)
    ]
    reader = open_shards(shards)
    ours = [reader.read(i) for i in range(reader.n_samples)]
    assert found == [(s.key, s.image, json.loads(s.json)["url"]) for s in ours]
    assert len(found) == N - 6


def test_both_sides_of_a_split(tmp_path: Path) -> None:
    out = build_samples(tmp_path / "out", 40)
    shard(run_on(out, shards={"samples_per_shard": 10, "validation": 0.3}))
    sides = [out / "shards", out / "validation"]
    path = list_of(tmp_path / "list.txt", ["host1.example"])
    done = webpairs("purge", *sides, "--domain", path).ok()
    assert done.out.splitlines()[-1] == str(sides[1])
    for side in sides:
        assert f"{side}: " in done.out
        assert "host1.example" not in {row["host"] for row in rows_of(side)}
        assert verify(side).faults == []
    info = next(r for r in stage_reports(out) if r.name == "shard").info
    counts = [read_manifest(side).n_samples for side in sides]
    assert [info["n_samples"], info["n_validation"]] == counts
    assert sum(counts) == 40 - 8


def test_the_run_goes_on_with_what_is_left(shards: Path, tmp_path: Path) -> None:
    """`webpairs train` finds the ledger's files, `webpairs shard` finds nothing to do."""
    path = list_of(tmp_path / "list.txt", ["host2.example"])
    purge_now(shards, domain=(path,))
    run = run_on(shards.parent)
    for entry in run.ledger.outputs("shard", "shards/"):
        assert file_sha256(shards.parent / entry.path) == entry.sha256
    before = {p: p.stat().st_mtime_ns for p in shards.iterdir()}
    shard(run)
    assert {p: p.stat().st_mtime_ns for p in shards.iterdir()} == before
    (funnel,) = next(r for r in stage_reports(run.out) if r.name == "shard").funnels
    assert (funnel.rows_in, funnel.kept, funnel.rejected) == (N, N - 6, {"purged": 6})


@pytest.mark.parametrize("is_planned_anew", [False, True])
def test_shards_made_anew_are_the_purged_ones(
    shards: Path, tmp_path: Path, is_planned_anew: bool
) -> None:
    """What a purge leaves is what the writer makes of the same plan without what went, to the
    byte: a shard that lost some, one that lost all, one that lost none."""
    rows = rows_of(shards)
    gone = [row["key"] for row in rows if row["shard"] == "shard-000001"] + [rows[3]["key"]]
    purge_now(shards, key=(list_of(tmp_path / "list.txt", gone),))
    run, before = run_on(shards.parent), state(shards)
    for name in ("plan", "shard") if is_planned_anew else ("shard",):
        run.ledger.reset(name)
    assert [p.name for p in shards.iterdir()] == ["purged.jsonl"]
    shard(run)
    assert state(shards) == before
    assert verify(shards).faults == []


def test_what_went_stays_away_from_another_cut_of_the_same_run(
    shards: Path, tmp_path: Path
) -> None:
    path = list_of(tmp_path / "list.txt", ["host2.example"])
    purge_now(shards, domain=(path,))
    other = run_on(shards.parent, seed=5, shards={"samples_per_shard": 7, "validation": 0.3})
    shard(other)
    for side in (shards, shards.parent / "validation"):
        assert verify(side).faults == []
        assert "host2.example" not in {row["host"] for row in rows_of(side)}


def test_a_folder_that_was_copied_out_of_its_run(shards: Path, tmp_path: Path) -> None:
    alone = shards.rename(tmp_path / "alone")
    path = list_of(tmp_path / "list.txt", ["host2.example"])
    done = webpairs("purge", alone, "--domain", path, "-q").ok()
    assert done.err == ""
    assert verify(alone).n_samples == N - 6
    assert "fetch: 30 candidates in" in (alone / "README.md").read_text()


def test_shards_of_another_run_leave_the_ledger_alone(shards: Path, tmp_path: Path) -> None:
    """Somebody has copied others' shards over ours."""
    strange = build_shards(tmp_path / "strange", N, samples_per_shard=10, seed=9)
    for path in strange.iterdir():
        path.replace(shards / path.name)
    commits = state(shards.parent / "run" / "commits")
    purge_now(shards, domain=(list_of(tmp_path / "list.txt", ["host2.example"]),))
    assert state(shards.parent / "run" / "commits") == commits
    assert verify(shards).faults == []


def told(reader: ShardReader, index: int) -> Any:
    """What a reader gives at a place: a sample, or why not."""
    try:
        return next(reader.read_many(np.array([index], np.int64)))
    except ShardError as error:
        return error


@pytest.fixture
def one_open_tar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that must let go of a tar to open the next one."""
    monkeypatch.setattr("webpairs_shards.stores.local_tars._OPEN_TARS", 1)


@pytest.mark.parametrize("seen", [[], [0], [0, 10, 20]])
@pytest.mark.parametrize("rule", ["host2.example", "first"])
def test_a_reader_that_runs_on_never_gets_a_wrong_pair(
    shards: Path, tmp_path: Path, one_open_tar: None, seen: list[int], rule: str
) -> None:
    rows = rows_of(shards)
    keys = [r["key"] for r in rows if r["host"] == rule]
    keys = keys or [r["key"] for r in rows if r["shard"] == "shard-000000"]
    reader, old = open_shards(shards), open_shards(shards)
    wanted = [old.read(i) for i in range(N)]
    for index in seen:
        assert told(reader, index) == wanted[index]
    purge_now(shards, key=(list_of(tmp_path / "list.txt", keys),))
    answers = [told(reader, index) for _ in range(2) for index in range(N)]
    for answer, sample in zip(answers, 2 * wanted, strict=True):
        assert answer == sample or isinstance(answer, BrokenSample | ShardCorrupt)
    assert any(isinstance(answer, BrokenSample | ShardCorrupt) for answer in answers)
    fresh = open_shards(shards)
    left = [sample for sample in wanted if sample.key not in keys]
    assert [fresh.read(i) for i in range(fresh.n_samples)] == left


def test_a_reader_that_holds_a_tar_goes_on_with_the_old_one(shards: Path, tmp_path: Path) -> None:
    reader = open_shards(shards)
    wanted = [reader.read(i) for i in range(N)]
    purge_now(shards, domain=(list_of(tmp_path / "list.txt", ["host2.example"]),))
    assert [reader.read(i) for i in range(N)] == wanted


def test_a_copy_takes_the_list_along_and_waits_for_a_purge(shards: Path, tmp_path: Path) -> None:
    purge_now(shards, key=(list_of(tmp_path / "keys", [rows_of(shards)[0]["key"]]),))
    copy(str(shards), str(tmp_path / "there"))
    assert {p.name for p in (tmp_path / "there").iterdir()} >= {"purged.jsonl", "manifest.json"}
    assert not verify(tmp_path / "there").faults
    (tmp_path / "there/purged.jsonl").write_text("{}\n")
    assert [(f.shard, f.kind) for f in verify(tmp_path / "there").faults] == [
        ("purged.jsonl", "changed")
    ]
    with pytest.raises(ShardCorrupt, match=r"purged.jsonl is not what its manifest says"):
        copy(str(tmp_path / "there"), str(tmp_path / "further"))
    (shards / "purge.json").write_text("{}")
    with pytest.raises(ShardError, match="a purge is at work"):
        copy(str(shards), str(tmp_path / "other"))
