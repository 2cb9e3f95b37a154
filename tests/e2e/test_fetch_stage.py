"""Candidates in, samples out: the fetch stage as a whole, against servers on loopback."""

import hashlib
import io
import tarfile
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from PIL import Image

from candidates_fixture import build_candidates
from fetch_fixture import FETCH, fetch_stage, run_of, samples
from hostile_web import Answer, HostileWeb, answer, picture, pictures, redirect
from rights_files import denial, packet, with_c2pa, with_xmp
from samples_fixture import make_run
from webpairs_core.errors import NothingLeft
from webpairs_core.ledger import DONE
from webpairs_core.schema import SAMPLES
from webpairs_pipeline.stages import run_stage

STEADY = [name for name in SAMPLES.names if not name.endswith("_ms")]
"""The columns that do not depend on the clock."""

MIXED: dict[str, tuple[Answer, str]] = {
    "/ok.jpg": (answer(picture()), "ok"),
    "/ok.png": (answer(picture(kind="PNG"), headers=("Content-Type: text/plain",)), "ok"),
    "/moved.jpg": (redirect("/ok.jpg"), "ok"),
    "/gone.jpg": (answer(b"", "404 Not Found"), "http_4xx"),
    "/oops.jpg": (answer(b"", "500 Oops"), "http_5xx"),
    "/page.jpg": (answer(b"<html>sorry</html>"), "not_image"),
    "/cut.jpg": (answer(picture()[:-2000]), "corrupt"),
    "/pixel.gif": (answer(picture(1, 1, "GIF")), "side_too_short"),
    "/banner.png": (answer(picture(728, 90, "PNG")), "aspect_too_long"),
    "/noai.jpg": (answer(picture(), headers=("X-Robots-Tag: noai",)), "opted_out"),
    "/private/x.jpg": (answer(picture()), "robots"),
    "/big.jpg": (answer(b"", length=10_000_000_000), "too_large"),
    "/inner.jpg": (redirect("http://10.0.0.1/"), "refused_private"),
    "/loop.jpg": (redirect("/loop.jpg"), "too_many_redirects"),
}


def test_every_candidate_has_one_outcome_row_in_its_order(tmp_path: Path) -> None:
    routes = {path: route for path, (route, _) in MIXED.items()}
    routes["/robots.txt"] = answer(b"User-agent: *\nDisallow: /private/")
    with HostileWeb(routes) as web:
        urls = [web.url(path) for path in MIXED]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=4)
        made = fetch_stage(out)
    table = samples(out)
    assert table["url"].to_pylist() == urls
    assert table["outcome"].to_pylist() == [outcome for _, outcome in MIXED.values()]
    [funnel] = made.funnels
    assert (funnel.rows_in, funnel.kept) == (len(MIXED), 3)
    assert funnel.rejected == {o: 1 for _, o in MIXED.values() if o != "ok"}
    assert made.info["bytes"] == sum(table["bytes"].to_pylist())
    assert made.info["timings"]["ok"]["n"] == 3


def test_the_columns_say_what_was_received_and_where_it_lies(tmp_path: Path) -> None:
    data = picture(300, 240)
    headers = ("Content-Type: image/jpeg", 'ETag: "7"', "X-Robots-Tag: noarchive")
    routes = {"/x.jpg": redirect("/y.jpg"), "/y.jpg": answer(data, headers=headers)}
    with HostileWeb(routes) as web:
        out = build_candidates(tmp_path / "out", [web.url("/x.jpg")], rows_per_part=10)
        fetch_stage(out)
        [row] = samples(out).to_pylist()
        assert row["final_url"] == web.url("/y.jpg")
    assert row["http_status"] == 200
    assert (row["content_type"], row["etag"], row["last_modified"]) == ("image/jpeg", '"7"', "")
    assert (row["bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert (row["original_width"], row["original_height"]) == (300, 240)
    assert (row["width"], row["height"]) == (80, 64)
    assert row["image_optout"] == ["x-robots-tag:noarchive@image"]
    assert row["attempts"] == 1
    assert row["tar"] == "samples/part-00000.tar"
    stored = (out / row["tar"]).read_bytes()[row["offset"] : row["offset"] + row["length"]]
    with Image.open(io.BytesIO(stored)) as image:
        assert (image.format, image.size) == ("JPEG", (80, 64))


@pytest.mark.parametrize(("policy", "outcome"), [("default", "opted_out"), ("report", "ok")])
def test_rights_inside_a_file_are_kept_and_obeyed(
    tmp_path: Path, policy: str, outcome: str
) -> None:
    xmp = packet(
        attributes='xmpRights:WebStatement="https://example.org/terms"',
        elements="<plus:DataMining>DMI-PROHIBITED</plus:DataMining><dc:creator>Ana</dc:creator>"
        "<dc:rights>(c) Ana</dc:rights>",
    )
    signed = with_c2pa(denial(), "JPEG")
    routes = {
        "/plain.jpg": answer(picture()),
        "/xmp.png": answer(with_xmp(xmp, "PNG"), headers=("X-Robots-Tag: noarchive",)),
        "/c2pa.jpg": answer(signed),
    }
    with HostileWeb(routes) as web:
        out = build_candidates(tmp_path / "out", [web.url(path) for path in routes], 5)
        base = run_of(out)
        crawl = msgspec.structs.replace(base.recipe.crawl, optout=policy)
        recipe = msgspec.structs.replace(base.recipe, crawl=crawl)
        run_stage(FETCH, msgspec.structs.replace(base, recipe=recipe))
    [plain, xmp_row, c2pa_row] = samples(out).to_pylist()
    assert (plain["outcome"], plain["rights_creator"], plain["image_optout"]) == ("ok", "", [])
    assert xmp_row["outcome"] == c2pa_row["outcome"] == outcome
    assert xmp_row["image_optout"] == ["iptc:DMI-PROHIBITED@image", "x-robots-tag:noarchive@image"]
    assert c2pa_row["image_optout"] == ["c2pa:ai_training=notAllowed@image"]
    assert (xmp_row["rights_creator"], xmp_row["rights_copyright"]) == ("Ana", "(c) Ana")
    assert xmp_row["rights_license"] == "https://example.org/terms"
    assert c2pa_row["sha256"] == hashlib.sha256(signed).hexdigest()
    assert bool(xmp_row["length"]) == bool(xmp_row["tar"]) == (outcome == "ok")


def test_tars_are_plain_and_in_candidate_order(tmp_path: Path) -> None:
    late = answer(picture(seed=99), pause_s=0.5)  # the others are done by then
    with HostileWeb(pictures(6) | {"/0.jpg": late}) as web:
        urls = [web.url(f"/{i}.jpg") for i in range(6)]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=6)
        fetch_stage(out, per_host=6)
    keys = [key.hex() for key in samples(out)["key"].to_pylist()]
    with tarfile.open(out / "samples/part-00000.tar") as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == [f"{key}.jpg" for key in keys]
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in members} == {(0, 0, 0, "", 0o644)}
        offsets = [member.offset_data for member in members]
    assert samples(out)["offset"].to_pylist() == offsets


def test_workers_and_parts_do_not_change_what_is_made(tmp_path: Path) -> None:
    made: dict[str, pa.Table] = {}
    tars: dict[str, list[bytes]] = {}
    with HostileWeb(pictures(20)) as web:
        urls = [web.url(f"/{i}.jpg") for i in range(24)]  # the last four are 404
        for name, workers, concurrency in (("one", 1, 1), ("many", 3, 16)):
            out = build_candidates(tmp_path / name, urls, rows_per_part=5)
            fetch_stage(out, workers=workers, concurrency=concurrency, per_host=8)
            made[name] = samples(out).select(STEADY)
            tars[name] = [path.read_bytes() for path in sorted(out.glob("samples/*.tar"))]
    assert made["one"].equals(made["many"])
    assert tars["one"] == tars["many"]
    assert len(tars["one"]) == 5


@pytest.mark.parametrize("limit", [1, 5, 7])
def test_the_limit_takes_the_first_candidates(tmp_path: Path, limit: int) -> None:
    with HostileWeb(pictures(12)) as web:
        urls = [web.url(f"/{i}.jpg") for i in range(12)]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=5)
        fetch_stage(out, limit=limit)
        assert len([path for path in web.paths if path != "/robots.txt"]) == limit
    assert samples(out)["url"].to_pylist() == urls[:limit]


def test_committed_parts_are_not_fetched_again(tmp_path: Path) -> None:
    with HostileWeb(pictures(12)) as web:
        urls = [web.url(f"/{i}.jpg") for i in range(12)]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=4)
        fetch_stage(out)
        commits = out / "run/commits/fetch"
        for unit in (DONE, "part-00001"):  # as if the run had died before these
            (commits / f"{unit}.json").unlink()
        web.paths.clear()
        made = fetch_stage(out)
        assert sorted(web.paths) == sorted(["/robots.txt"] + [f"/{i}.jpg" for i in range(4, 8)])
        web.paths.clear()
        assert fetch_stage(out).funnels == made.funnels
        assert web.paths == []
    assert made.funnels[0].kept == 12


def test_no_image_at_all_is_said_with_its_reasons(tmp_path: Path) -> None:
    with HostileWeb({}) as web:
        out = build_candidates(tmp_path / "out", [web.url("/1.jpg"), web.url("/2.jpg")], 5)
        with pytest.raises(NothingLeft, match="none of 2 images could be used"):
            fetch_stage(out)
    assert samples(out)["outcome"].to_pylist() == ["http_4xx"] * 2


def test_an_address_that_the_recipe_does_not_open_is_refused(tmp_path: Path) -> None:
    with HostileWeb(pictures(1)) as web:
        out = build_candidates(tmp_path / "out", [web.url("/0.jpg")], 5)
        with pytest.raises(NothingLeft, match="refused_private 1"):
            run_stage(FETCH, make_run(out, fetch={"retries": 0}))
        assert web.n_connections == 0
