"""The fetcher against servers that misbehave: each URL gets exactly one outcome."""

import asyncio
import gzip
import socket
import ssl
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fetching import JPEG, bad_chunk, endless_page, fetch, fetch_all, hang_up, silence
from hostile_web import Answer, HostileWeb, Request, answer, redirect
from webpairs_core.records import Outcome
from webpairs_crawler.images import bodies
from webpairs_crawler.images.answers import outcome_of_error


def test_an_image_comes_with_its_headers() -> None:
    headers = ("Content-Type: image/jpeg", 'ETag: "1"', "Last-Modified: yesterday")
    with HostileWeb({"/x.jpg": answer(JPEG, headers=headers)}) as web:
        [got] = fetch_all([web.url("/x.jpg#fragment")])
        assert web.agents == {"webpairs/0.1.0 (+https://bot.example)"}
    assert got.outcome == Outcome.OK
    assert got.data == JPEG
    assert (got.content_type, got.etag, got.last_modified) == ("image/jpeg", '"1"', "yesterday")
    assert got.final_url == web.url("/x.jpg")
    assert (got.http_status, got.attempts) == (200, 1)


@pytest.mark.parametrize(
    ("route", "outcome"),
    [
        (answer(b"", "404 Not Found"), Outcome.HTTP_4XX),
        (answer(b"", "410 Gone"), Outcome.HTTP_4XX),
        (answer(b"", "500 Oops"), Outcome.HTTP_5XX),
        (answer(b"", "304 Not Modified"), Outcome.PROTOCOL),
        (answer(b"", "302 Found"), Outcome.PROTOCOL),
        (answer(b"<html>no</html>", headers=("Content-Type: image/jpeg",)), Outcome.NOT_IMAGE),
        (answer(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), Outcome.NOT_IMAGE),
        (answer(b""), Outcome.NOT_IMAGE),
        (answer(JPEG, headers=("Content-Type: text/html",)), Outcome.OK),
        (answer(JPEG, length=len(JPEG) + 5), Outcome.PROTOCOL),
        (answer(b"", length=10_000_000_000), Outcome.TOO_LARGE),
        (answer(gzip.compress(JPEG), headers=("Content-Encoding: gzip",)), Outcome.OK),
        (answer(zlib.compress(JPEG), headers=("Content-Encoding: deflate",)), Outcome.OK),
        (answer(zlib.compress(JPEG)[2:], headers=("Content-Encoding: deflate",)), Outcome.OK),
        (answer(gzip.compress(JPEG)[:-9], headers=("Content-Encoding: gzip",)), Outcome.PROTOCOL),
        (answer(JPEG, headers=("Content-Encoding: gzip",)), Outcome.PROTOCOL),
        (answer(b"\0" * 99, headers=("Content-Encoding: br",)), Outcome.NOT_IMAGE),
        (answer(JPEG, headers=(f"X-Flood: {'a' * 20_000}",)), Outcome.PROTOCOL),
        (redirect("file:///etc/passwd"), Outcome.BAD_URL),
        (redirect("ftp://127.0.0.1/x.jpg"), Outcome.BAD_URL),
        (redirect("http://[bad/"), Outcome.BAD_URL),
        (redirect("/x.jpg"), Outcome.TOO_MANY_REDIRECTS),
        (redirect("http://10.0.0.1/x.jpg"), Outcome.REFUSED_PRIVATE),
        (redirect("http://169.254.169.254/latest/meta-data/"), Outcome.REFUSED_PRIVATE),
        (redirect("http://[::ffff:10.0.0.1]/"), Outcome.REFUSED_PRIVATE),
    ],
)
def test_each_answer_has_its_outcome(route: Answer, outcome: Outcome) -> None:
    assert fetch(route).outcome == outcome


def test_a_compressed_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(JPEG + b"\0" * 50_000_000)
    route = answer(bomb, headers=("Content-Encoding: gzip",))
    assert fetch(route, max_bytes=1_000_000).outcome == Outcome.TOO_LARGE


def test_a_ratio_no_picture_has_is_refused() -> None:
    # 4 MB of zeros after a JPEG pack to a thousandth: far from what images do, far under max_bytes.
    packed = gzip.compress(JPEG + b"\0" * 4_000_000)
    assert fetch(answer(packed, headers=("Content-Encoding: gzip",))).outcome == Outcome.TOO_LARGE
    fits = gzip.compress(JPEG + b"\0" * 500_000)
    assert fetch(answer(fits, headers=("Content-Encoding: gzip",))).outcome == Outcome.OK


def test_a_flood_of_headers_is_refused() -> None:
    flood = tuple(f"X-{i}: a" for i in range(1000))
    assert fetch(answer(JPEG, headers=flood)).outcome == Outcome.PROTOCOL


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("/a b.jpg", "/a%20b.jpg"),
        ("/caf\u00e9.jpg", "/caf%C3%A9.jpg"),
        ("/\ubd80\uc5cc.jpg?q=\u00e9", "/%EB%B6%80%EC%97%8C.jpg?q=%C3%A9"),
        ("/a%20b.jpg", "/a%20b.jpg"),
        ("/x/../y.jpg", "/y.jpg"),
    ],
)
def test_urls_are_encoded_as_browsers_do(written: str, asked: str) -> None:
    with HostileWeb({asked: answer(JPEG)}) as web:
        [got] = fetch_all([web.url(written)])
    assert got.outcome == Outcome.OK


async def _endless(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\n\r\n" + JPEG)
    while True:
        await request.send(b"\0" * 65_536)


async def _endless_chunks(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await request.send(b"%x\r\n%b\r\n" % (len(JPEG), JPEG))
    while True:
        await request.send(b"8000\r\n" + b"\0" * 0x8000 + b"\r\n")


async def _drip_body(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
    await request.send(*[b"\xff"] * 1000, pause_s=0.05)


async def _stalled_body(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n\xff\xd8")
    await asyncio.sleep(60)


async def _drip_headers(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\nX: ", *[b"a"] * 1000, pause_s=0.05)


async def _reset(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n\xff\xd8")
    request.reset()


async def _no_http(request: Request) -> None:
    await request.send(b"SSH-2.0-OpenSSH_9.6\r\n")


@pytest.mark.parametrize(
    ("route", "outcome"),
    [
        (_endless, Outcome.TOO_LARGE),
        (_endless_chunks, Outcome.TOO_LARGE),
        (endless_page, Outcome.NOT_IMAGE),
        (_drip_body, Outcome.SLOW),
        (_stalled_body, Outcome.SLOW),
        (_drip_headers, Outcome.TIMEOUT),
        (silence, Outcome.TIMEOUT),
        (_reset, Outcome.PROTOCOL),
        (hang_up, Outcome.PROTOCOL),
        (bad_chunk, Outcome.PROTOCOL),
        (_no_http, Outcome.PROTOCOL),
    ],
)
def test_a_hostile_server_costs_a_bounded_time(
    route: Answer, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "GRACE_S", 0.2)
    assert fetch(route, timeout_s=1, max_bytes=2_000_000).outcome == outcome


def test_a_steady_slow_body_is_not_called_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_S", 0.2)
    body = JPEG.ljust(20_000, b"\0")
    pieces = [body[at : at + 2000] for at in range(0, len(body), 2000)]

    async def steady(request: Request) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        await request.send(*pieces, pause_s=0.05)

    assert fetch(steady).outcome == Outcome.OK


SPELLINGS = [
    "http://127.0.0.1:{p}/x",
    "http://127.1:{p}/x",
    "http://2130706433:{p}/x",
    "http://0x7f000001:{p}/x",
    "http://0177.0.0.1:{p}/x",
    "http://127.0.0.1.:{p}/x",
    "http://0.0.0.0:{p}/x",
    "http://0:{p}/x",
    "http://localhost:{p}/x",
    "http://localhost.:{p}/x",
    "http://LOCALHOST:{p}/x",
    "http://[::1]:{p}/x",
    "http://[::]:{p}/x",
    "http://[::ffff:127.0.0.1]:{p}/x",
    "http://[::ffff:7f00:1]:{p}/x",
    "http://[::127.0.0.1]:{p}/x",
    "http://[64:ff9b::127.0.0.1]:{p}/x",
    "http://①②⑦.⓪.⓪.①:{p}/x",
    "http://example.org@127.0.0.1:{p}/x",
    "http://127.0.0.1\t:{p}/x",
    "http://127。0。0。1:{p}/x",
    "http:\\\\127.0.0.1:{p}/x",
]


def test_no_spelling_of_a_private_address_reaches_a_server() -> None:
    with HostileWeb({"/x": answer(JPEG)}, host="") as web:
        urls = [spelling.format(p=web.port) for spelling in SPELLINGS]
        got = fetch_all(urls, {"private_networks": ()})
        assert web.n_connections == 0
        refused = {url: each.outcome for url, each in zip(urls, got, strict=True)}
        assert set(refused.values()) <= {Outcome.REFUSED_PRIVATE, Outcome.DNS}, refused
        assert refused[urls[0]] == Outcome.REFUSED_PRIVATE
        # the same server is there for who may reach it
        [open_to_us] = fetch_all([f"http://127.0.0.1:{web.port}/x"])
        assert open_to_us.outcome == Outcome.OK


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x/y", "data:image/png;base64,AA", "", "http://", "x.jpg"]
)
def test_other_schemes_and_broken_urls(url: str) -> None:
    assert fetch_all([url])[0].outcome == Outcome.BAD_URL


def test_names_that_do_not_resolve_and_ports_that_do_not_answer(free_port: int) -> None:
    [dns, connect] = fetch_all(
        ["http://nobody.invalid/x.jpg", f"http://127.0.0.1:{free_port}/x.jpg"]
    )
    assert (dns.outcome, dns.attempts) == (Outcome.DNS, 0)
    assert connect.outcome == Outcome.CONNECT


def test_redirects_are_followed_and_the_last_url_is_told() -> None:
    routes = {
        "/a": redirect("/b"),
        "/b": redirect("c?q=%20%C3%A9", "307 Temporary Redirect"),
        "/c?q=%20%C3%A9": answer(JPEG),
    }
    with HostileWeb(routes) as web:
        [got] = fetch_all([web.url("/a")])
    assert (got.outcome, got.final_url) == (Outcome.OK, web.url("/c?q=%20%C3%A9"))


def test_five_redirects_are_followed_and_no_more() -> None:
    routes = {f"/{i}": redirect(f"/{i + 1}") for i in range(6)} | {"/6": answer(JPEG)}
    with HostileWeb(routes) as web:
        [five, six] = fetch_all([web.url("/1"), web.url("/0")])
    assert (five.outcome, six.outcome) == (Outcome.OK, Outcome.TOO_MANY_REDIRECTS)


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "both.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_a_certificate_that_nobody_signed(self_signed: ssl.SSLContext) -> None:
    with HostileWeb({"/x": answer(JPEG)}, tls=self_signed) as web:
        assert fetch_all([web.url("/x")])[0].outcome == Outcome.TLS


def test_plain_http_behind_https() -> None:
    with HostileWeb({"/x": answer(JPEG)}) as web:
        url = web.url("/x").replace("http:", "https:")
        assert fetch_all([url])[0].outcome == Outcome.TLS


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OSError("too many open files"), Outcome.CONNECT),
        (socket.gaierror("unknown"), Outcome.CONNECT),
        (UnicodeError("label too long"), Outcome.BAD_URL),
        (TimeoutError(), Outcome.TIMEOUT),
        (ssl.SSLError("handshake"), Outcome.TLS),
    ],
)
def test_bare_errors_have_an_outcome_too(error: Exception, outcome: Outcome) -> None:
    assert outcome_of_error(error) == outcome
