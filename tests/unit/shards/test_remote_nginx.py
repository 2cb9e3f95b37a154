"""Shards behind a real nginx: ranges, keep-alive, and certificates that count."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nginx import nginx
from samples_fixture import build_shards
from webpairs_shards import Mixture, RemoteOptions, ShardStream, StreamOptions, open_shards

_HAS_NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None
pytestmark = pytest.mark.skipif(not _HAS_NGINX, reason="nginx is not installed")

_READ = """
import sys
from webpairs_core.errors import StorageError
from webpairs_shards import open_shards
try:
    print(open_shards(sys.argv[1])[3].key)
except StorageError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("nginx"), 60, samples_per_shard=12)


def test_the_order_over_nginx(shards: Path, tmp_path: Path) -> None:
    options = StreamOptions(seed=3, epochs=2)
    expected = list(ShardStream(Mixture([(open_shards(shards), 1)]), options))
    with nginx(shards.parent) as served:
        cached = RemoteOptions(cache=tmp_path / "cache", cache_bytes=10 << 20)
        for remote in (RemoteOptions(), cached, cached):
            reader = open_shards(served.url("http", "shards"), remote=remote)
            assert list(ShardStream(Mixture([(reader, 1)]), options)) == expected
            reader.close()


def test_a_certificate_counts(shards: Path) -> None:
    with nginx(shards.parent) as served:
        url = served.url("https", "shards")
        trusting = _read(url, {"SSL_CERT_FILE": str(served.bundle)})
        assert trusting.stdout.strip() == open_shards(shards)[3].key
        strict = _read(url, {})
        assert strict.returncode == 1
        assert "manifest.json shows a certificate that this machine does not trust" in strict.stderr


def _read(url: str, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", _READ, url],
        env=os.environ | path | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
