"""Trying outcomes again, taking what is unchanged from an earlier run, giving up dead hosts."""

import io
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image

from candidates_fixture import build_candidates
from command import webpairs
from fetch_fixture import FETCH, fetch_stage, run_of, samples
from hostile_web import Answer, HostileWeb, Request, answer, picture, pictures
from rights_files import packet
from webpairs_core.errors import PartCorrupt, RecipeError, StorageError
from webpairs_core.ledger import DONE
from webpairs_core.records import Outcome
from webpairs_core.schema import SAMPLES
from webpairs_pipeline.fetch.rounds import outcomes_of
from webpairs_pipeline.run import Made
from webpairs_pipeline.stages import fingerprint, run_stage


def fetch(out: Path, *retry: str, **options: Any) -> Made:
    """One request at a time, in the order of the candidates."""
    return fetch_stage(out, retry=retry, **{"workers": 1, "per_host": 1, **options})


class TestRetry:
    @pytest.fixture
    def web(self) -> HostileWeb:
        routes = pictures(12)
        routes |= {f"/{i}.jpg": answer(b"", "500 Oops") for i in (1, 5, 6)}
        routes |= {"/2.jpg": answer(b"", "404 Not Found")}
        return HostileWeb(routes)

    def test_only_the_named_outcomes_are_asked_for_again(
        self, web: HostileWeb, tmp_path: Path
    ) -> None:
        with web:
            urls = [web.url(f"/{i}.jpg") for i in range(12)]
            out = build_candidates(tmp_path / "out", urls, rows_per_part=4)
            [first] = fetch(out).funnels
            assert (first.kept, first.rejected) == (8, {"http_5xx": 3, "http_4xx": 1})
            before = {path: path.read_bytes() for path in out.glob("samples/*")}

            web.routes["/1.jpg"] = answer(picture(160, 120, seed=1))
            web.routes["/5.jpg"] = answer(b"", "404 Not Found")
            web.paths.clear()
            made = fetch(out, "http_5xx", "timeout")
            assert sorted(web.paths) == ["/1.jpg", "/5.jpg", "/6.jpg", "/robots.txt"]
            [second] = made.funnels
            assert (second.rows_in, second.kept) == (12, 9)
            assert second.rejected == {"http_4xx": 2, "http_5xx": 1}
            assert {path: path.read_bytes() for path in before} == before
            again = samples(out, "retry-001-*.parquet")
            assert Counter(again["outcome"].to_pylist()) == {"ok": 1, "http_4xx": 1, "http_5xx": 1}

            # The next round looks at the newest outcome of each: /5.jpg is a 404 by now.
            web.routes["/6.jpg"] = answer(picture(166, 120, seed=6))
            web.routes["/5.jpg"] = answer(picture(165, 120, seed=5))
            web.paths.clear()
            assert fetch(out, "http_5xx").funnels[0].kept == 10
            assert [path for path in web.paths if path != "/robots.txt"] == ["/6.jpg"]
            assert fetch(out, "http_4xx").funnels[0].rejected == {"http_4xx": 1}
        assert sorted(path.name for path in out.glob("run/commits/fetch/retry-00?.json")) == [
            "retry-001.json",
            "retry-002.json",
            "retry-003.json",
        ]

    def test_nothing_to_try_again_changes_nothing(self, web: HostileWeb, tmp_path: Path) -> None:
        with web:
            out = build_candidates(tmp_path / "out", [web.url("/0.jpg")], rows_per_part=4)
            fetch(out)
            web.paths.clear()
            assert fetch(out, "timeout").funnels[0].kept == 1
            assert web.paths == []

    def test_a_round_that_was_killed_goes_on(self, web: HostileWeb, tmp_path: Path) -> None:
        with web:
            urls = [web.url(f"/{i}.jpg") for i in range(12)]
            out = build_candidates(tmp_path / "out", urls, rows_per_part=4)
            fetch(out)
            fetch(out, "http_5xx")
            commits = out / "run/commits/fetch"
            for unit in (DONE, "retry-001-part-00001"):  # as if it had died before these
                (commits / f"{unit}.json").unlink()
            web.paths.clear()
            with pytest.raises(RecipeError, match="has not finished"):
                fetch(out, "timeout")
            assert fetch(out, "http_5xx").funnels[0].rows_in == 12
            assert sorted(web.paths) == ["/5.jpg", "/6.jpg", "/robots.txt"]

    def test_one_that_died_at_its_start_is_begun_anew(
        self, web: HostileWeb, tmp_path: Path
    ) -> None:
        with web:
            urls = [web.url(f"/{i}.jpg") for i in range(12)]
            out = build_candidates(tmp_path / "out", urls, rows_per_part=4)
            fetch(out)
            stage = run_of(out).ledger.open_stage("fetch", fingerprint(FETCH, run_of(out)))
            with stage.unit("retry-001") as unit:  # the marker stands, `done` was not yet removed
                unit.commit(info={"outcomes": ["timeout"]})
            web.paths.clear()
            fetch(out, "http_4xx")
            assert sorted(web.paths) == ["/2.jpg", "/robots.txt"]

    @pytest.mark.parametrize("change", ["limit", "image"])
    def test_a_retry_never_undoes_what_was_fetched(
        self, web: HostileWeb, tmp_path: Path, change: str
    ) -> None:
        with web:
            urls = [web.url(f"/{i}.jpg") for i in range(12)]
            out = build_candidates(tmp_path / "out", urls, rows_per_part=4)
            fetch(out)
            before = {path: path.read_bytes() for path in out.glob("samples/*")}
            run = run_of(out, workers=1, per_host=1, retry={"http_5xx"})
            image = replace(run.recipe.image, size_px=32)
            other = {
                "limit": replace(run, limit=3),
                "image": replace(run, recipe=replace(run.recipe, image=image)),
            }[change]
            web.paths.clear()
            with pytest.raises(RecipeError, match="nothing was done"):
                run_stage(FETCH, other)
            assert web.paths == []
            assert {path: path.read_bytes() for path in out.glob("samples/*")} == before
            assert fetch(out).funnels[0].kept == 8  # still finished

    def test_a_third_round_looks_at_the_second(self, tmp_path: Path) -> None:
        with HostileWeb({"/1.jpg": answer(picture())}) as web:
            urls = [web.url("/0.jpg"), web.url("/1.jpg")]
            out = build_candidates(tmp_path / "out", urls, rows_per_part=4)
            bad, gone = answer(b"", "500 Oops"), answer(b"", "404 Not Found")
            for route, retry in ((bad, ()), (gone, ("http_5xx",)), (bad, ("http_4xx",))):
                web.routes["/0.jpg"] = route
                fetch(out, *retry)
            web.routes["/0.jpg"] = answer(picture(seed=1))
            [funnel] = fetch(out, "http_5xx").funnels
        assert (funnel.kept, funnel.rejected) == (2, {})

    def test_a_part_that_somebody_deleted_takes_its_later_rounds_along(
        self, web: HostileWeb, tmp_path: Path
    ) -> None:
        """As the sentence about a damaged part says: delete it and run the fetch again."""
        with web:
            urls = [web.url(f"/{i}.jpg") for i in range(12)]
            out = build_candidates(tmp_path / "out", urls, rows_per_part=4)
            fetch(out)
            web.routes["/1.jpg"] = answer(picture(161, 120, seed=1))
            assert fetch(out, "http_5xx").funnels[0].rejected == {"http_5xx": 2, "http_4xx": 1}
            (out / "samples/part-00000.parquet").unlink()
            [funnel] = fetch(out).funnels
        assert (funnel.rows_in, funnel.kept) == (12, 9)
        assert funnel.rejected == {"http_5xx": 2, "http_4xx": 1}

    def test_an_unfinished_fetch_is_finished_first(self, web: HostileWeb, tmp_path: Path) -> None:
        with web:
            out = build_candidates(tmp_path / "out", [web.url("/0.jpg")], rows_per_part=4)
            with pytest.raises(RecipeError, match="without --retry first"):
                fetch(out, "timeout")

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [("timout", "did you mean 'timeout'"), ("ok", "no such outcome"), (",", "names no")],
    )
    def test_outcomes_that_are_none(self, words: str, sentence: str, tmp_path: Path) -> None:
        with pytest.raises(RecipeError, match=sentence):
            outcomes_of(words)
        recipe = tmp_path / "r.toml"
        recipe.write_text('name = "r"\n')
        ended = webpairs("fetch", recipe, "--out", tmp_path / "out", "--retry", words)
        assert ended.code == 2
        assert sentence in ended.sentence


class TestKnown:
    @staticmethod
    def conditional(body: bytes, etag: str, *more: str) -> Answer:
        async def route(request: Request) -> bool | None:
            headers = (f"ETag: {etag}", *more)
            if request.headers.get("if-none-match") == etag:
                return await answer(b"", "304 Not Modified", headers)(request)
            return await answer(body, headers=headers)(request)

        return route

    def test_what_is_unchanged_is_not_sent_again(self, tmp_path: Path) -> None:
        images = [picture(160 + i, 120, seed=i) for i in range(4)]
        with HostileWeb({}) as web:
            web.routes |= {
                f"/{i}.jpg": self.conditional(image, f'"{i}"') for i, image in enumerate(images)
            }
            web.routes["/3.jpg"] = answer(images[3])  # without ETag or date: always sent
            urls = [web.url(f"/{i}.jpg") for i in range(4)]
            old = build_candidates(tmp_path / "old", urls, rows_per_part=3)
            fetch(old)
            web.routes["/1.jpg"] = self.conditional(picture(300, 200), '"new"')
            web.routes["/2.jpg"] = self.conditional(images[2], '"2"', "X-Robots-Tag: noai")
            new = build_candidates(tmp_path / "new", urls, rows_per_part=2)
            made = fetch(new, known=str(old))
        assert made.info["bytes"] == len(picture(300, 200)) + len(images[3])
        was, now = samples(old).to_pylist(), samples(new).to_pylist()
        assert [row["http_status"] for row in now] == [304, 200, 304, 200]
        assert [row["outcome"] for row in now] == ["ok", "ok", "opted_out", "ok"]
        same = [name for name in SAMPLES.names if not name.endswith("_ms")]
        differ = {n for n in same if was[0][n] != now[0][n]}
        assert differ <= {"http_status", "content_type", "tar", "offset"}
        assert self.stored(new, now[0]) == self.stored(old, was[0])
        assert now[1]["original_width"] == 300
        assert now[2]["length"] == 0

    @staticmethod
    def stored(out: Path, row: dict[str, Any]) -> bytes:
        at = int(row["offset"])
        whole: bytes = (out / str(row["tar"])).read_bytes()
        return whole[at : at + int(row["length"])]

    def test_a_server_that_says_304_unasked_has_failed(self, tmp_path: Path) -> None:
        with HostileWeb({"/0.jpg": answer(b"", "304 Not Modified")}) as web:
            web.routes["/1.jpg"] = answer(picture())
            urls = [web.url("/0.jpg"), web.url("/1.jpg")]
            out = build_candidates(tmp_path / "out", urls, rows_per_part=4)
            fetch(out)
        assert samples(out)["outcome"].to_pylist() == ["protocol", "ok"]

    def test_an_earlier_run_that_does_not_fit(self, tmp_path: Path) -> None:
        with HostileWeb(pictures(1)) as web:
            old = build_candidates(tmp_path / "old", [web.url("/0.jpg")], rows_per_part=4)
            new = build_candidates(tmp_path / "new", [web.url("/0.jpg")], rows_per_part=4)
            with pytest.raises(RecipeError, match="no finished fetch"):
                fetch(new, known=str(old))
            fetch(old)
            run = run_of(new, known=str(old))
            image = replace(run.recipe.image, size_px=128)
            with pytest.raises(RecipeError, match=r"another \[image\] section"):
                run_stage(FETCH, replace(run, recipe=replace(run.recipe, image=image)))


def _once(etag: str, *more: str) -> Answer:
    """The picture, or 304 without any header to who knows it already."""

    async def route(request: Request) -> bool | None:
        if {"if-none-match", "if-modified-since"} & request.headers.keys():
            return await answer(b"", "304 Not Modified")(request)
        return await answer(picture(), headers=(f"ETag: {etag}", *more))(request)

    return route


class TestWhatIsKnown:
    def test_a_denial_inside_an_unchanged_image_still_counts(self, tmp_path: Path) -> None:
        mining = "<plus:DataMining>DMI-PROHIBITED</plus:DataMining>"
        stream = io.BytesIO()
        with Image.open(io.BytesIO(picture())) as image:
            image.save(stream, "JPEG", xmp=packet(elements=mining))
        routes = {
            "/0.jpg": TestKnown.conditional(stream.getvalue(), '"0"'),
            "/1.jpg": answer(picture()),
        }
        with HostileWeb(routes) as web:
            urls = [web.url("/0.jpg"), web.url("/1.jpg")]
            old = build_candidates(tmp_path / "old", urls, rows_per_part=4)
            run = run_of(old, workers=1)
            crawl = replace(run.recipe.crawl, optout="report")
            run_stage(FETCH, replace(run, recipe=replace(run.recipe, crawl=crawl)))
            new = build_candidates(tmp_path / "new", urls, rows_per_part=4)
            fetch(new, known=str(old))
        assert samples(old)["outcome"].to_pylist() == ["ok", "ok"]
        assert samples(new)["outcome"].to_pylist() == ["opted_out", "ok"]

    def test_an_etag_outlives_a_304_without_one(self, tmp_path: Path) -> None:
        with HostileWeb({"/0.jpg": _once('"0"')}) as web:
            urls = [web.url("/0.jpg")]
            outs = [build_candidates(tmp_path / name, urls, rows_per_part=4) for name in "abc"]
            fetch(outs[0])
            assert fetch(outs[1], known=str(outs[0])).info["unchanged"] == 1
            fetch(outs[2], known=str(outs[1]))
        assert [samples(out)["http_status"].to_pylist() for out in outs] == [[200], [304], [304]]

    def test_what_the_earlier_run_forgot_is_not_known(self, tmp_path: Path) -> None:
        with HostileWeb({"/0.jpg": _once('"0"'), "/1.jpg": answer(picture())}) as web:
            urls = [web.url("/0.jpg"), web.url("/1.jpg")]
            old = build_candidates(tmp_path / "old", urls, rows_per_part=4)
            fetch(old)
            new = build_candidates(tmp_path / "new", urls[:1], rows_per_part=4)
            fetch(new, known=str(old))
            assert samples(new)["http_status"].to_pylist() == [304]
            shutil.rmtree(old)
            fetch(build_candidates(tmp_path / "old", urls[1:], rows_per_part=4))
            for unit in ("done", "part-00000"):
                (new / f"run/commits/fetch/{unit}.json").unlink()
            fetch(new, known=str(old))
        assert samples(new)["http_status"].to_pylist() == [200]

    def test_a_tar_that_shrinks_meanwhile_is_noticed(self, tmp_path: Path) -> None:
        tars: list[Path] = []

        async def cut(request: Request) -> bool | None:
            for tar in tars:  # after the ledger looked at the sizes
                tar.write_bytes(tar.read_bytes()[:600])
            return await _once('"0"')(request)

        with HostileWeb({"/0.jpg": cut}) as web:
            old = build_candidates(tmp_path / "old", [web.url("/0.jpg")], rows_per_part=4)
            fetch(old)
            tars.extend(old.glob("samples/*.tar"))
            new = build_candidates(tmp_path / "new", [web.url("/0.jpg")], rows_per_part=4)
            with pytest.raises(PartCorrupt, match="shorter than its index"):
                fetch(new, known=str(old))

    def test_what_no_request_may_say_is_not_said(self, tmp_path: Path) -> None:
        with HostileWeb({"/0.jpg": _once('"a\x01b"', "Last-Modified: x\x0b")}) as web:
            outs = [
                build_candidates(tmp_path / name, [web.url("/0.jpg")], rows_per_part=4)
                for name in "ab"
            ]
            fetch(outs[0])
            fetch(outs[1], known=str(outs[0]))
        assert samples(outs[1])["http_status"].to_pylist() == [200]

    @pytest.mark.parametrize("known", ["nowhere", "x" * 300, "a\0b"])
    def test_a_place_that_is_none(self, tmp_path: Path, known: str) -> None:
        out = build_candidates(tmp_path / "out", ["http://127.0.0.1:9/0.jpg"], rows_per_part=4)
        with pytest.raises(RecipeError, match="is no folder"):
            fetch(out, known=known)

    def test_a_damaged_index_is_one_sentence(self, tmp_path: Path) -> None:
        with HostileWeb({"/0.jpg": _once('"0"')}) as web:
            old = build_candidates(tmp_path / "old", [web.url("/0.jpg")], rows_per_part=4)
            fetch(old)
            new = build_candidates(tmp_path / "new", [web.url("/0.jpg")], rows_per_part=4)
            run = run_of(new, workers=1, known=str(old))
            work = run.ledger.open_stage("fetch", fingerprint(FETCH, run)).work
            work.mkdir(parents=True)
            (work / "known.sqlite").write_bytes(b"no database" * 1000)
            with pytest.raises(StorageError, match=r"index of fetch\.known"):
                run_stage(FETCH, run)


def test_an_image_with_several_texts_is_downloaded_once(tmp_path: Path) -> None:
    with HostileWeb(pictures(2)) as web:
        urls = [web.url(f"/{i}.jpg") for i in (0, 1, 0, 0, 1)]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=5)
        made = fetch(out)
        assert Counter(web.paths) == {"/robots.txt": 1, "/0.jpg": 1, "/1.jpg": 1}
    rows = samples(out).to_pylist()
    assert [row["url"] for row in rows] == urls
    assert made.funnels[0].kept == 5
    assert len({(row["url"], row["sha256"], row["length"]) for row in rows}) == 2
    assert len({row["offset"] for row in rows}) == 5  # each row has its own picture in the tar


class TestDeadHosts:
    def test_a_host_that_dies_costs_a_few_requests(self, tmp_path: Path) -> None:
        n_good = 3

        async def dying(request: Request) -> bool | None:
            if int(request.path.strip("/").removesuffix(".jpg")) < n_good:
                return await answer(picture())(request)
            request.reset()
            return None

        with HostileWeb({f"/{i}.jpg": dying for i in range(40)}) as web:
            urls = [web.url(f"/{i}.jpg") for i in range(40)]
            out = build_candidates(tmp_path / "out", urls, rows_per_part=16)
            fetch(out, host_down_after=4)
            # The set of them: a connection that dies when it is used again is tried once more.
            assert len({*web.paths} - {"/robots.txt"}) == n_good + 4
            web.routes |= pictures(40)
            found = samples(out)
            counts = Counter(found["outcome"].to_pylist())
            assert counts == {"ok": n_good, "protocol": 4, "host_down": 33}
            made = fetch(out, "host_down", "protocol")
        assert made.funnels[0].kept == 40

    def test_urls_that_failed_themselves_keep_their_outcome(self, tmp_path: Path) -> None:
        """At the end of a list only bad URLs are left of a good host; it is given up, but each has
        been asked, and that is what its row says."""
        routes = pictures(10)
        routes |= {f"/{i}.jpg": answer(b"", "500 Oops") for i in range(10, 20)}
        with HostileWeb(routes) as web:
            urls = [web.url(f"/{i}.jpg") for i in range(20)]
            out = build_candidates(tmp_path / "out", urls, rows_per_part=20)
            fetch(out, retries=1, host_down_after=12)
        assert Counter(samples(out)["outcome"].to_pylist()) == {"ok": 10, "http_5xx": 10}

    def test_a_request_to_come_back_tomorrow_is_heard_by_all_rows(self, tmp_path: Path) -> None:
        busy = answer(b"", "429 Slow Down", ("Retry-After: 86400",))
        with HostileWeb(
            {"/0.jpg": answer(picture())} | {f"/{i}.jpg": busy for i in range(1, 9)}
        ) as web:
            urls = [web.url(f"/{i}.jpg") for i in range(9)]
            out = build_candidates(tmp_path / "out", urls, rows_per_part=16)
            fetch(out)
            assert web.paths == ["/robots.txt", "/0.jpg", "/1.jpg"]
        assert samples(out)["outcome"].to_pylist()[1:] == ["http_4xx", *["host_down"] * 7]

    def test_404s_are_no_failure_of_their_host(self, tmp_path: Path) -> None:
        with HostileWeb({"/30.jpg": answer(picture())}) as web:
            urls = [web.url(f"/{i}.jpg") for i in range(31)]
            out = build_candidates(tmp_path / "out", urls, rows_per_part=16)
            fetch(out, host_down_after=2)
        assert Counter(samples(out)["outcome"].to_pylist()) == {"http_4xx": 30, "ok": 1}


def test_gentler_settings_do_not_fetch_anything_again(tmp_path: Path) -> None:
    with HostileWeb(pictures(8)) as web:
        urls = [web.url(f"/{i}.jpg") for i in range(8)]
        out = build_candidates(tmp_path / "out", urls, rows_per_part=4)
        fetch(out)
        (out / "run/commits/fetch/done.json").unlink()
        (out / "run/commits/fetch/part-00001.json").unlink()
        web.paths.clear()
        fetch(out, concurrency=3, per_host=2, timeout_s=9, retries=1, max_per_s=1000.0)
        assert sorted(set(web.paths)) == ["/4.jpg", "/5.jpg", "/6.jpg", "/7.jpg", "/robots.txt"]
    assert Outcome.OK in samples(out)["outcome"].to_pylist()
