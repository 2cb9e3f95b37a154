"""Serve a folder of files by nginx on loopback, http and https, for the benchmarks of the fetch.

Python servers cost as much CPU as the clients that are measured; nginx does not. It runs from a
folder of its own, on free ports, as the user who calls, and ends with the `with` block, or with its
process when that is killed. The certificate comes from an authority made for the occasion: whoever
is to trust it is given `bundle`, the system's root certificates with that authority added
(SSL_CERT_FILE=...). A bundle with the one authority alone would hide what reading the 140 others
costs a client.
"""

import ctypes
import getpass
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

_CONFIGURATION = """
{user}
worker_processes 2;
pid nginx.pid;
error_log errors.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 60s;
  keepalive_requests 100000;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
  uwsgi_temp_path tmp; scgi_temp_path tmp;
  types {{ image/jpeg jpg; image/png png; image/webp webp; text/plain txt; }}
  ssl_certificate server.pem;
  ssl_certificate_key server.key;
  ssl_session_cache shared:tls:10m;
  server {{ {listen} root "{folder}"; }}
}}
"""
_START_S = 10.0
_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG, prctl(2)."""


class Served(msgspec.Struct, frozen=True):
    """Where the folder is served, at each of `hosts`."""

    hosts: tuple[str, ...]
    http_port: int
    https_port: int
    authority: Path
    """The certificate of the authority, PEM."""
    bundle: Path
    """The system's roots and that authority, PEM."""

    def url(self, scheme: str, name: str, host: int = 0) -> str:
        """The address of a file of the folder, on host number `host` modulo their number."""
        port = self.https_port if scheme == "https" else self.http_port
        return f"{scheme}://{self.hosts[host % len(self.hosts)]}:{port}/{name}"


@contextmanager
def nginx(folder: Path, n_hosts: int = 1, *, everywhere: bool = False) -> Iterator[Served]:
    """Serve `folder` on 127.0.0.1 and the loopback addresses after it, `n_hosts` in all (250); or
    on every address there is, for thousands of them."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        sys.exit("nginx is not installed: `apt-get install nginx-light`, then run this again")
    hosts = tuple(f"127.0.0.{i}" for i in range(1, n_hosts + 1))
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        prefix = Path(name)
        (prefix / "tmp").mkdir()
        _certificates(prefix, hosts)
        http_port, https_port = _free_ports()
        listen = " ".join(
            f"listen {host}:{http_port}; listen {host}:{https_port} ssl;"
            for host in (("0.0.0.0",) if everywhere else hosts)
        )
        user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
        text = _CONFIGURATION.format(user=user, listen=listen, folder=folder.resolve())
        (prefix / "nginx.conf").write_text(text)
        command = [program, "-p", name, "-c", "nginx.conf", "-e", "errors.log", "-g", "daemon off;"]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, preexec_fn=_end_with_parent
        )
        try:
            _wait_for(process, (hosts[-1], https_port))
            authority, bundle = prefix / "authority.pem", prefix / "bundle.pem"
            yield Served(hosts, http_port, https_port, authority, bundle)
        finally:
            process.terminate()  # the master ends its workers
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _certificates(folder: Path, hosts: tuple[str, ...]) -> None:
    """authority.pem, server.pem, server.key and bundle.pem."""
    roots = ssl.get_default_verify_paths().cafile
    if roots is None:
        sys.exit(
            "this system has no bundle of root certificates: `apt-get install ca-certificates`"
        )
    names = ",".join(f"IP:{host}" for host in hosts)
    (folder / "server.ext").write_text(f"subjectAltName={names}\n")
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    authority = ("-keyout", "authority.key", "-out", "authority.pem", "-days", "30")
    server = ("-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=loopback")
    signed = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "30")
    extended = ("-extfile", "server.ext", "-out", "server.pem")
    for words in (
        ("req", "-x509", *new_key, *authority, "-subj", "/CN=webpairs benchmark authority"),
        ("req", *new_key, *server),
        ("x509", "-req", "-in", "server.csr", *signed, *extended),
    ):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    both = Path(roots).read_text() + (folder / "authority.pem").read_text()
    (folder / "bundle.pem").write_text(both)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("", 0))
        other.bind(("", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _wait_for(process: subprocess.Popen[str], address: tuple[str, int]) -> None:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    process.terminate()
    sys.exit(f"nginx does not answer: {process.communicate()[1].strip()}")
