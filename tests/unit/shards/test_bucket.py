"""Shards of a bucket, against a real S3 API (moto) on loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from moto.server import ThreadedMotoServer

from samples_fixture import build_shards
from webpairs_core.errors import ShardError, StorageError
from webpairs_shards import Mixture, RemoteOptions, ShardStream, StreamOptions, open_shards
from webpairs_shards.batches import BatchLoader, BatchOptions
from webpairs_shards.read.reader import ShardReader
from webpairs_shards.read.sample import BrokenSample
from webpairs_shards.stores.remote import ahead, bucket_source, fetch_ranges

N = 60
URL = "s3://data/run/shards"
TAR = "run/shards/shard-000001.tar"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("bucket"), N, samples_per_shard=12)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, shards: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a bucket with the shards."""
    import boto3  # type: ignore[import-untyped]

    monkeypatch.setattr(fetch_ranges, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(fetch_ranges, "_LONGEST_PAUSE_S", 0.01)
    monkeypatch.setattr(ahead, "_GAP_BYTES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="data")
    for path in shards.iterdir():
        client.put_object(Bucket="data", Key=f"run/shards/{path.name}", Body=path.read_bytes())
    yield client
    client.close()


def stream(reader: ShardReader, **options: Any) -> ShardStream:
    return ShardStream(Mixture([(reader, 1)]), StreamOptions(**options))


def test_the_order_and_the_state_are_those_of_the_folder(shards: Path, bucket: Any) -> None:
    here, there = open_shards(shards), open_shards(URL)
    expected = list(stream(here, seed=4, epochs=2))
    half = stream(here, seed=4, epochs=2)
    found = [next(half) for _ in range(N // 2)]
    rest = stream(there, seed=4, epochs=2)
    rest.load_state_dict(half.state_dict())
    assert found + list(rest) == expected
    there.close()


def test_with_a_cache_an_epoch_is_read_once(shards: Path, bucket: Any, tmp_path: Path) -> None:
    remote = RemoteOptions(cache=tmp_path / "cache", cache_bytes=10 << 20)
    reader = open_shards(URL, remote=remote)
    expected = list(stream(open_shards(shards), epochs=1))
    assert list(stream(reader, epochs=1)) == expected
    for path in shards.glob("shard-*"):
        bucket.delete_object(Bucket="data", Key=f"run/shards/{path.name}")
    again = open_shards(URL, remote=remote)
    assert list(stream(again, epochs=1)) == expected
    for each in (reader, again):
        each.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_a_bucket(shards: Path, bucket: Any, workers: int) -> None:
    options = BatchOptions(batch_size=8, image_size=32, epochs=1)
    there = open_shards(URL)
    there.read(0)  # its loop runs when the workers are made
    batches = BatchLoader(Mixture([(there, 1)]), options, workers)
    expected = BatchLoader(Mixture([(open_shards(shards), 1)]), options)
    assert [each["key"] for each in batches] == [each["key"] for each in expected]
    there.close()


def test_objects_that_are_gone_or_changed_are_counted(bucket: Any) -> None:
    reader = open_shards(URL)
    body = bucket.get_object(Bucket="data", Key=TAR)["Body"].read()
    bucket.delete_object(Bucket="data", Key=TAR)
    gone = "run/shards/shard-000000.tar"
    bucket.put_object(Bucket="data", Key=gone, Body=bytes(len(body)))
    bucket.put_object(Bucket="data", Key="run/shards/shard-000002.tar", Body=b"short")
    going = stream(reader, epochs=1, max_broken_in_a_row=N)
    assert len(list(going)) == N - 36
    assert going.broken == {
        ("shard-000000", "checksum"): 12,
        ("shard-000001", "missing_tar"): 12,
        ("shard-000002", "cut_short"): 12,
    }
    reader.close()


def test_what_is_not_there_is_one_sentence(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("s3://data/other", "s3://nobucket/shards"):
        with pytest.raises(ShardError, match=rf"{url}/manifest\.json is not there: give the URL"):
            open_shards(url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(
        StorageError, match=r"s3://data/run/shards/manifest\.json cannot be read .*9"
    ):
        open_shards(URL, remote=RemoteOptions(retries=1))


def test_the_users_own_settings_hold(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.config import conf

    endpoint = bucket.meta.endpoint_url
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    own = {"endpoint_url": endpoint, "key": "k", "secret": "s"}
    own["config_kwargs"] = {"connect_timeout": 3}
    monkeypatch.setitem(conf, "s3", own)
    made = bucket_source.BucketSource(URL, RemoteOptions(timeout_s=7))._made()
    assert (made.anon, made.key, made.config_kwargs["connect_timeout"]) == (False, "k", 3)
    assert made.config_kwargs["read_timeout"] == 7
    reader = open_shards(URL)
    assert len(reader[1].key) == 32
    reader.close()


def test_without_an_account_the_public_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert bucket_source.BucketSource(URL, RemoteOptions())._made().anon is True


class _Refusing:
    """In front of s3fs: refuses some calls as S3 does."""

    def __init__(self, system: Any, refusals: list[BaseException]) -> None:
        self._system = system
        self._refusals = refusals

    def __getattr__(self, name: str) -> Any:
        return getattr(self._system, name)

    async def _cat_file(self, *args: Any, **settings: Any) -> bytes:
        if self._refusals:
            raise self._refusals.pop()
        return bytes(await self._system._cat_file(*args, **settings))


def test_what_s3_refuses_for_now_heals(
    shards: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import (  # type: ignore[import-untyped]
        ClientError,
        ConnectionClosedError,
        IncompleteReadError,
        ReadTimeoutError,
    )
    from s3fs.errors import translate_boto_error  # type: ignore[import-untyped]

    def answer(status: int, code: str) -> BaseException:
        told = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        error: BaseException = translate_boto_error(ClientError(told, "GetObject"))
        return error

    refusals = [
        answer(503, "SlowDown"),
        answer(500, "InternalError"),
        answer(429, "TooManyRequests"),
        ConnectionClosedError(endpoint_url="x"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
        ReadTimeoutError(endpoint_url="x"),
        ConnectionResetError("gone"),
    ] * 3
    opened = bucket_source.BucketSource._opened

    async def refusing(self: bucket_source.BucketSource) -> Any:
        return _Refusing(await opened(self), refusals)

    monkeypatch.setattr(bucket_source.BucketSource, "_opened", refusing)
    reader = open_shards(URL, remote=RemoteOptions(retries=25, read_ahead=4))
    assert list(stream(reader, epochs=1)) == list(stream(open_shards(shards), epochs=1))
    assert not refusals
    refusals.append(answer(403, "AccessDenied"))
    with pytest.raises(StorageError, match=r"shard-000000\.tar may not be read by you"):
        reader.read(0)
    refusals.append(answer(400, "Strange"))
    with pytest.raises(StorageError, match=r"shard-000000\.tar cannot be read \(.*Strange"):
        reader.read(0)
    assert not isinstance(reader.read(0), BrokenSample)
    assert msgspec.json.decode(reader.read(0).json)
    reader.close()
