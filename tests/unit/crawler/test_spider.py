"""The whole spider against real servers on loopback, through the crawl stage."""

import zlib
from pathlib import Path
from typing import Any

import pytest

from crawls import HTML, IMG, Crawl, html, links
from hostile_web import Answer, HostileWeb, answer, redirect
from webpairs_core.errors import CrawlError, NothingLeft, RecipeError
from webpairs_core.schema import PAGES, read_table


def test_what_becomes_of_each_kind_of_page(tmp_path: Path) -> None:
    big = b"<p>" + b"x" * 300_000

    async def hang(request: Any) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>", pause_s=60)

    async def cut(request: Any) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<p>cut")

    async def reset(request: Any) -> None:
        request.reset()

    routes = {
        "/robots.txt": answer(b"User-agent: *\nDisallow: /secret"),
        "/": links(
            *("/ok", "/secret/a", "/gone", "/broken", "/pdf", "/big", "/hang", "/cut", "/reset"),
            *("/old", "/loop", "/far", "/nowhere", "/bare", "/odd type", "/picture.jpg"),
            *("/xhtml", "/soft", "http://elsewhere.example/"),
        ),
        "/ok": html(IMG),
        "/broken": answer(b"", "500 Oops"),
        "/pdf": answer(b"%PDF", headers=("Content-Type: application/pdf",)),
        "/big": answer(big, headers=HTML),
        "/hang": hang,
        "/cut": cut,
        "/reset": reset,
        "/old": redirect("/new#part"),
        "/new": html(IMG),
        "/loop": redirect("/loop2"),
        "/loop2": redirect("/loop"),
        "/far": redirect("/far1"),
        **{f"/far{i}": redirect(f"/far{i + 1}") for i in range(1, 9)},
        "/nowhere": redirect("ftp://elsewhere.example/"),
        "/bare": answer(f"\n <!doctype html>{IMG}".encode()),
        "/odd%20type": answer(IMG.encode(), headers=("Content-Type: TEXT/HTML ;charset=x",)),
        "/xhtml": answer(IMG.encode(), headers=("Content-Type: application/xhtml+xml",)),
        "/soft": answer(b"just text"),
    }
    with HostileWeb(routes) as web:
        crawl = Crawl(tmp_path, web.url("/"), max_page_bytes=200_000, timeout_s=1.0, per_host=8)
    ok = ["/", "/ok", "/new", "/bare", "/odd%20type", "/xhtml"]
    assert crawl.outcomes(web) == dict.fromkeys(ok, "ok") | {
        "/secret/a": "robots",
        "/gone": "http_4xx",
        "/broken": "http_5xx",
        "/pdf": "not_html",
        "/soft": "not_html",
        "/big": "too_large",
        "/hang": "timeout",
        "/cut": "protocol",
        "/reset": "protocol",
        "/old": "redirect",
        "/loop": "redirect",
        "/loop2": "redirect",
        "/far": "redirect",
        **{f"/far{i}": "redirect" for i in range(1, 5)},
        "/far5": "too_many_redirects",
        "/nowhere": "protocol",
    }
    assert "/secret/a" not in web.paths
    assert "/picture.jpg" not in web.paths
    assert web.paths[0] == "/robots.txt"
    # The HTTP client itself repeats a request when a kept connection turns out to be dead.
    assert [path for path in set(web.paths) if web.count(path) > 1] in ([], ["/reset"])
    pairs = crawl.rows("pairs")
    assert len(pairs) == len(ok)
    assert {pair["url"] for pair in pairs} == {web.url("/i.jpg")}
    (funnel,) = crawl.made.funnels
    assert (funnel.rows_in, funnel.kept) == (len(crawl.rows("pages")), len(ok))
    assert crawl.made.info["n_pairs"] == len(ok)
    assert crawl.made.info["n_hosts"] == 1


def test_who_we_are_and_how_many_at_once(tmp_path: Path) -> None:
    routes = {"/": links(*(f"/{i}" for i in range(12)))}
    routes |= {f"/{i}": html(IMG) for i in range(12)}
    with HostileWeb(routes) as web:
        Crawl(
            tmp_path,
            web.url("/"),
            user_agent="finder/2",
            contact="https://finder.example/why",
            per_host=2,
        )
    assert web.agents == {"finder/2 (+https://finder.example/why)"}
    assert web.most_at_once <= 2


def test_retries(tmp_path: Path) -> None:
    async def second_time(request: Any) -> bool | None:
        good = web.count("/") > 1
        return await (html(IMG) if good else answer(b"", "503 Busy"))(request)

    with HostileWeb({"/": second_time}) as web:
        crawl = Crawl(tmp_path, web.url("/"), retries=1)
    assert crawl.outcomes(web) == {"/": "ok"}
    assert web.paths == ["/robots.txt", "/", "/"]


def test_a_broken_robots_txt_forbids_and_a_missing_one_allows(tmp_path: Path) -> None:
    with HostileWeb({"/": html(IMG), "/robots.txt": answer(b"", "500 Oops")}) as broken:
        with HostileWeb({"/": html(IMG)}, host="127.0.0.2") as missing:
            crawl = Crawl(tmp_path, broken.url("/"), missing.url("/"))
        assert {row["url"]: row["outcome"] for row in crawl.rows("pages")} == {
            broken.url("/"): "robots",
            missing.url("/"): "ok",
        }
    assert broken.paths == ["/robots.txt"]


def test_robots_txt_may_be_redirected(tmp_path: Path) -> None:
    routes = {
        "/robots.txt": redirect("/r2"),
        "/r2": answer(
            b"User-agent: webpairs\nDisallow: /no", headers=("Content-Type: text/plain",)
        ),
        "/": links("/no", "/yes"),
        "/yes": html(IMG),
    }
    with HostileWeb(routes) as web:
        assert Crawl(tmp_path, web.url("/")).outcomes(web) == {
            "/": "ok",
            "/no": "robots",
            "/yes": "ok",
        }


def test_signals_stop_links_and_reach_pairs(tmp_path: Path) -> None:
    page = html(IMG + "<a href=/b>x</a>", "X-Robots-Tag: nofollow", "X-Robots-Tag: noai")
    with HostileWeb({"/": page, "/b": html(IMG)}) as web:
        crawl = Crawl(tmp_path, web.url("/"))
    (pair,) = crawl.rows("pairs")
    assert pair["optout"] == ["x-robots-tag:noai@page", "x-robots-tag:nofollow@page"]


SPELLINGS = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "[::1]"]
SPELLINGS += ["[::ffff:127.0.0.1]", "①②⑦.⓪.⓪.①", "user@127.0.0.1"]


def test_private_addresses_are_refused_however_written(tmp_path: Path) -> None:
    with (
        HostileWeb({"/": html(IMG)}, host="") as private,
        HostileWeb({"/": html(IMG)}, host="127.0.0.9") as allowed,
    ):
        seeds = [private.url("/", host) for host in SPELLINGS]
        entry = html(IMG)
        allowed.routes["/to"] = redirect(private.url("/", "127.0.0.1"))
        allowed.routes["/"] = entry
        crawl = Crawl(
            tmp_path,
            *seeds,
            allowed.url("/"),
            allowed.url("/to"),
            allowed_domains=("*",),
            private_networks=("127.0.0.9/32",),
        )
        outcomes = {row["url"]: row["outcome"] for row in crawl.rows("pages")}
        assert outcomes.pop(allowed.url("/")) == "ok"
        assert outcomes.pop(allowed.url("/to")) == "redirect"
        assert set(outcomes.values()) == {"refused_private"}
        assert private.n_connections == 0


def test_an_ipv6_address_can_be_crawled_when_allowed(tmp_path: Path) -> None:
    with HostileWeb({"/": html(IMG)}, host="") as web:
        crawl = Crawl(tmp_path, web.url("/", "[::1]"))
        assert [row["outcome"] for row in crawl.rows("pages")] == ["ok"]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("404 Not Found", "the server says there is no such page (HTTP 404)"),
        ("500 Oops", "the server failed (HTTP 500)"),
    ],
)
def test_no_page_at_all_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, status: str, sentence: str
) -> None:
    with HostileWeb({"/a": redirect("/b"), "/b": answer(b"", status)}) as web:
        with pytest.raises(CrawlError) as error:
            Crawl(tmp_path, web.url("/a"))
        assert str(error.value) == (
            f"no page could be read from {web.url('/a')}: {sentence}; "
            "check crawl.seeds and run again"
        )
        assert not list(tmp_path.rglob("*.parquet"))
        web.routes["/b"] = html(IMG)
        assert Crawl(tmp_path, web.url("/a")).made.info["n_pairs"] == 1


def test_an_unreachable_seed(tmp_path: Path, free_port: int) -> None:
    with pytest.raises(CrawlError, match="connection was refused"):
        Crawl(tmp_path, f"http://127.0.0.1:{free_port}/")
    with pytest.raises(CrawlError, match="its address is private"):
        Crawl(tmp_path, f"http://127.0.0.1:{free_port}/", private_networks=())
    with pytest.raises(CrawlError, match="its host name is not known"):
        Crawl(tmp_path, "http://no-such-host.invalid/")


def test_seeds(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is nothing to crawl"):
        Crawl(tmp_path)
    with pytest.raises(RecipeError, match=r"the seed 'example\.org' is no http\(s\) URL"):
        Crawl(tmp_path, "example.org")
    with pytest.raises(RecipeError, match=r"seeds_file .* cannot be read"):
        Crawl(tmp_path, seeds_file=str(tmp_path / "absent.txt"))
    with HostileWeb({"/a": html(IMG), "/b": html(IMG)}) as web:
        listing = tmp_path / "seeds.txt"
        listing.write_text(f"# mine\n\n{web.url('/a')}\n  {web.url('/b#x')}\n")
        crawl = Crawl(tmp_path / "out", seeds_file=str(listing))
        assert crawl.outcomes(web) == {"/a": "ok", "/b": "ok"}
        assert not list((tmp_path / "out" / "run" / "work").glob("*"))


def test_pages_without_a_caption_leave_nothing(tmp_path: Path) -> None:
    with (
        HostileWeb({"/": html("<img src=a.jpg>")}) as web,
        pytest.raises(NothingLeft, match="the 1 pages that were read hold no image with a text"),
    ):
        Crawl(tmp_path, web.url("/"))


def site(n: int) -> dict[str, Answer]:
    """Pages that link to two others each."""
    routes = {f"/{i}": links(f"/{i * 2 + 1}", f"/{i * 2 + 2}", f"/missing-{i}") for i in range(n)}
    return {"/": links("/0"), **routes}


def test_the_bounds_choose_the_same_pages_each_time(tmp_path: Path) -> None:
    with HostileWeb(site(40)) as web:
        runs = [
            Crawl(
                tmp_path / str(i), web.url("/"), max_pages=20, per_host=per_host, pages_per_part=3
            )
            for i, per_host in enumerate((1, 4))
        ]
        pages = [sorted(crawl.outcomes(web).items()) for crawl in runs]
        assert pages[0] == pages[1]
        assert len(pages[0]) == 20
        keys = [sorted((r["key"], r["page_url"]) for r in crawl.rows("pairs")) for crawl in runs]
        assert keys[0] == keys[1]
        limited = Crawl(tmp_path / "limited", web.url("/"), max_pages=20, limit=5)
        assert len(limited.rows("pages")) == 5
        shallow = Crawl(tmp_path / "shallow", web.url("/"), max_depth=2)
        assert {row["depth"] for row in shallow.rows("pages")} == {0, 1, 2}


def test_parts_are_cut_by_pages_and_sorted(tmp_path: Path) -> None:
    with HostileWeb(site(20)) as web:
        crawl = Crawl(tmp_path, web.url("/"), pages_per_part=7)
    parts = crawl.run.ledger.outputs("crawl", "pages/")
    n_pages = sum(part.rows for part in parts)
    assert [part.rows for part in parts[:-1]] == [7] * (n_pages // 7)
    for part in parts:
        urls = read_table(tmp_path / part.path, PAGES)["url"].to_pylist()
        assert urls == sorted(urls)


def test_broken_answers_are_outcomes_and_never_end_the_crawl(tmp_path: Path) -> None:
    async def no_http(request: Any) -> None:
        await request.send(b"220 ftp ready\r\n\r\n")

    async def bad_chunk(request: Any) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx")

    async def bad_length(request: Any) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n<p>")

    broken: dict[str, Answer] = {
        f"/{name}": html("not compressed at all", f"Content-Encoding: {name}")
        for name in ("gzip", "deflate", "br", "zstd")
    }
    broken |= {"/no-http": no_http, "/bad-chunk": bad_chunk, "/bad-length": bad_length}
    zipped_pdf = answer(b"x", headers=("Content-Type: application/pdf", "Content-Encoding: gzip"))
    bomb = zlib.compress(b"<p>" * 3_000_000, wbits=31)
    routes = broken | {
        "/": links(*broken, "/zipped-pdf", "/bomb", f"http://{'a' * 70}.test/", "http://a..b/"),
        "/zipped-pdf": zipped_pdf,
        "/bomb": answer(bomb, headers=(*HTML, "Content-Encoding: gzip")),
    }
    with HostileWeb(routes) as web:
        crawl = Crawl(tmp_path, web.url("/"), allowed_domains=("*",), timeout_s=3.0)
    outcomes = crawl.outcomes(web)
    assert outcomes.pop("/") == "ok"
    assert outcomes.pop("/bomb") == "too_large"
    assert outcomes.pop("http://a..b/") in ("dns", "bad_url")
    assert outcomes.pop(f"http://{'a' * 70}.test/") in ("dns", "bad_url")
    assert outcomes.pop("/zipped-pdf") in ("not_html", "protocol")
    assert set(outcomes) == set(broken)
    assert outcomes == dict.fromkeys(broken, "protocol")
