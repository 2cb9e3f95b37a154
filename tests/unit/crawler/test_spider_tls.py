"""Certificates of page servers are verified."""

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crawls import IMG, Crawl, html
from hostile_web import HostileWeb
from webpairs_core.errors import CrawlError


def certificate(folder: Path, name: str, address: str) -> Path:
    """A certificate and its key, signed by nobody but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(address))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


def serving(path: Path) -> HostileWeb:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return HostileWeb({"/": html(IMG)}, tls=context)


def test_a_certificate_that_nobody_signed_is_an_outcome(tmp_path: Path) -> None:
    own = certificate(tmp_path, "localhost", "127.0.0.1")
    with (
        serving(own) as web,
        HostileWeb({"/": html(IMG)}, host="127.0.0.2") as plain,
        HostileWeb({"/": html(IMG)}, host="127.0.0.3") as no_tls,
    ):
        said_https = no_tls.url("/").replace("http:", "https:")
        crawl = Crawl(tmp_path / "out", web.url("/"), plain.url("/"), said_https)
        assert {row["url"]: row["outcome"] for row in crawl.rows("pages")} == {
            web.url("/"): "tls",
            plain.url("/"): "ok",
            said_https: "tls",
        }
        assert web.paths == []


@pytest.mark.parametrize(("address", "outcome"), [("127.0.0.1", None), ("127.0.0.9", "not valid")])
def test_the_name_must_be_the_host_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, outcome: str | None
) -> None:
    """A certificate that is trusted (OpenSSL's SSL_CERT_FILE), for this address or another."""
    own = certificate(tmp_path, "elsewhere.example", address)
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    with serving(own) as web:
        if outcome is None:
            assert Crawl(tmp_path / "out", web.url("/")).outcomes(web) == {"/": "ok"}
        else:
            with pytest.raises(CrawlError, match="certificate is not valid"):
                Crawl(tmp_path / "out", web.url("/"))
