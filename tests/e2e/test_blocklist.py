"""Images on a list of the user's: nothing of them is kept but the fact, at the fetch and later."""

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from candidates_fixture import build_candidates
from fetch_fixture import FETCH, run_of, samples
from hostile_web import HostileWeb, answer, picture
from samples_fixture import build_samples, make_run, shard
from webpairs_core.errors import RecipeError
from webpairs_core.schema import REJECTS, read_table
from webpairs_filters.options import BlocklistSection
from webpairs_pipeline.run import Run
from webpairs_pipeline.stages import STAGES, fingerprint, run_stage
from webpairs_shards.check.verify import verify
from webpairs_shards.image.process import process_image
from webpairs_shards.options import ImageSection

PLAN = next(spec for spec in STAGES if spec.name == "plan")
LISTED, OTHER = (picture(300, 240, seed=i) for i in (1, 2))


def with_list(run: Run, path: Path) -> Run:
    section = BlocklistSection(files=(str(path),))
    return replace(run, recipe=replace(run.recipe, blocklist=section))


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "phash"])
def test_at_the_fetch_nothing_of_it_is_kept(tmp_path: Path, name: str) -> None:
    listed = tmp_path / "list.txt"
    if name == "phash":
        look = process_image(LISTED, ImageSection(min_side_px=1))
        listed.write_text(f"{look.phash:016x}")
    else:
        listed.write_text(hashlib.new(name, LISTED, usedforsecurity=False).hexdigest())
    headers = ('ETag: "secret"', "Last-Modified: Mon, 02 Nov 2026 00:00:00 GMT")
    routes = {"/0.jpg": answer(LISTED, headers=headers), "/1.jpg": answer(OTHER)}
    with HostileWeb(routes) as web:
        urls = [web.url("/0.jpg"), web.url("/1.jpg")]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=4)
        run_stage(FETCH, with_list(run_of(out), listed))
    bad, good = samples(out).to_pylist()
    assert (bad["outcome"], good["outcome"]) == ("blocked", "ok")
    kept = (
        "bytes",
        "sha256",
        "phash",
        "original_width",
        "width",
        "etag",
        "last_modified",
        "length",
    )
    assert [bad[column] for column in kept] == [0, "", 0, 0, 0, "", "", 0]
    tars = b"".join(path.read_bytes() for path in out.glob("samples/*.tar"))
    assert bad["key"].hex().encode() not in tars
    assert good["key"].hex().encode() in tars


def test_a_list_that_came_later_erases_what_was_stored(tmp_path: Path) -> None:
    out = build_samples(tmp_path / "out", 20)
    [part, _] = sorted(out.glob("samples/*.parquet"))
    row = samples(out, part.name).to_pylist()[3]
    listed = tmp_path / "list.txt"
    listed.write_text(f"sha256:{row['sha256']}")
    run = with_list(make_run(out), listed)
    shards = shard(run)
    rejects = read_table(out / "rejects/plan/part-00000.parquet", REJECTS).to_pylist()
    assert [(each["key"], each["reason"]) for each in rejects] == [(row["key"], "blocked")]
    tar = (out / row["tar"]).read_bytes()
    assert not any(tar[row["offset"] : row["offset"] + row["length"]])
    assert row["key"].hex().encode() not in b"".join(p.read_bytes() for p in shards.glob("*.tar"))


def test_an_edit_of_the_list_plans_anew_and_fetches_nothing(tmp_path: Path) -> None:
    out = build_samples(tmp_path / "out", 4)
    listed = tmp_path / "list.txt"
    marks = []
    for line in ("0" * 16, "f" * 16):
        listed.write_text(line)
        run = with_list(make_run(out), listed)
        marks.append([fingerprint(spec, run) for spec in (*STAGES[:4], PLAN)])
    assert marks[0][:4] == marks[1][:4]
    assert marks[0][4] != marks[1][4]


def test_what_was_erased_never_comes_back(tmp_path: Path) -> None:
    """Whatever the lists say later, also none, and also a PDQ list, which looks at pictures."""
    out = build_samples(tmp_path / "out", 20)
    [part, _] = sorted(out.glob("samples/*.parquet"))
    first, second = (samples(out, part.name).to_pylist()[i] for i in (3, 5))
    listed = tmp_path / "list.txt"
    n = []
    for lines in (f"sha256:{first['sha256']}", f"sha256:{second['sha256']}", "# none"):
        listed.write_text(lines)
        shards = shard(with_list(make_run(out), listed))
        assert verify(shards, workers=1).faults == []
        n.append(verify(shards, workers=1).n_samples)
    assert n == [19, 18, 18]


def test_a_plan_that_fails_leaves_no_listed_image_in_old_shards(tmp_path: Path) -> None:
    out = build_samples(tmp_path / "out", 20)
    shards = shard(make_run(out))
    [part, _] = sorted(out.glob("samples/*.parquet"))
    listed = tmp_path / "list.txt"
    listed.write_text(samples(out, part.name).to_pylist()[3]["sha256"])
    run = with_list(make_run(out, balance={"per_entry": 1, "entries": "nowhere.txt"}), listed)
    with pytest.raises(RecipeError, match=r"nowhere\.txt"):
        run_stage(PLAN, run)
    assert list(shards.glob("*.tar")) == []


def test_digests_of_bytes_that_are_gone_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = build_samples(tmp_path / "out", 4)
    listed = tmp_path / "list.txt"
    listed.write_text("0" * 32)
    run_stage(PLAN, with_list(make_run(out), listed))
    assert "1 MD5 and SHA-1 of the blocklist count when an image is fetched only" in caplog.text
