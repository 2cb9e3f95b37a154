"""When a copy is killed, refused or stopped: a dataset at TO is there and whole, or it is not
there, and the same command goes on."""

import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import msgspec
import pytest

from command import ROOT, WEBPAIRS, Finished, killed_at_step, killed_when, webpairs
from dataset_files import contents, random_dataset
from s3_server import BUCKET, Proxy, S3Server, s3_server, settings
from webpairs_core.errors import ShardCorrupt
from webpairs_shards.format.layout import MANIFEST
from webpairs_shards.format.manifest import encode_manifest, read_manifest
from webpairs_shards.write.copy import copy

MIB = 1 << 20
TO = f"s3://{BUCKET}/to"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def store(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """An empty bucket, and an environment in which every command finds it."""
    server.empty()
    for name, value in settings(server.port).items():
        monkeypatch.setenv(name, value)
    return server


def _there(store: S3Server) -> dict[str, bytes]:
    return {key.removeprefix("to/"): store.get(key) for key in store.keys("to/")}


def _seen(folder: Path) -> dict[str, bytes]:
    """What a reader of the folder sees: no temporary names."""
    found = contents(folder) if folder.exists() else {}
    return {name: data for name, data in found.items() if not name.startswith(".")}


def _assert_whole_or_not_there(there: dict[str, bytes], *wholes: dict[str, bytes]) -> None:
    """Each file is one of those; with a manifest all of its files are there."""
    for name, data in there.items():
        assert any(whole.get(name) == data for whole in wholes), name
    if MANIFEST in there:
        assert any(whole.items() <= there.items() for whole in wholes)


def test_killed_on_the_way_to_s3_it_goes_on(store: S3Server, tmp_path: Path) -> None:
    """Steps: begin, three parts and complete for the large tar, one put for each other file."""
    folder = random_dataset(tmp_path / "set", 40 * MIB, 1000)
    expected = contents(folder)
    n_there = []
    for step in (3, 4, 7, 3, 2, 1):
        assert killed_at_step(step, "copy", folder, TO, "--workers", 1)
        there = _there(store)
        n_there.append(len(there))
        assert there.items() <= expected.items()
        assert MANIFEST not in there
        # The first two die between the parts of the large tar, and leave them in pieces.
        assert store.unfinished() == (["to/shard-000000.tar"] if len(n_there) < 3 else [])
    assert n_there == [0, 0, 3, 6, 8, 9]
    done = webpairs("copy", folder, TO).ok()
    assert done.out.startswith("1 files copied")
    assert _there(store) == expected
    assert store.unfinished() == []


def test_killed_in_the_middle_of_a_part(
    store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = random_dataset(tmp_path / "set", 40 * MIB, 20 * MIB)
    with Proxy(store.port, lambda head: None) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")

        def is_in_part() -> bool:
            return any("partNumber=2" in head for head in proxy.requests)

        assert killed_when(is_in_part, "copy", folder, TO)
        there = _there(store)
        assert there.items() <= contents(folder).items()
        assert not there.keys() & {"shard-000000.tar", MANIFEST}
        assert "to/shard-000000.tar" in store.unfinished()
        webpairs("copy", folder, TO).ok()
    assert _there(store) == contents(folder)
    assert store.unfinished() == []


def test_stopped_by_a_signal_it_takes_its_parts_away(
    store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = random_dataset(tmp_path / "set", 100 * MIB, 100 * MIB)
    with Proxy(store.port, lambda head: None) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        process = subprocess.Popen(
            [*WEBPAIRS, "copy", str(folder), TO], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        while not any("partNumber=2" in head for head in proxy.requests):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        err = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("webpairs: interrupted")
    assert "Traceback" not in err
    assert all(name.endswith((".idx", ".parquet")) for name in _there(store))
    assert store.unfinished() == []


def test_uploads_of_others_are_left_alone(store: S3Server, tmp_path: Path) -> None:
    folder = random_dataset(tmp_path / "set", 1000)
    for key in ("to/shard-000009.tar", "to/film.mp4", "to/deeper/shard-000000.tar", "other"):
        store.client.create_multipart_upload(Bucket=BUCKET, Key=key)
    copy(str(folder), TO)
    assert sorted(store.unfinished()) == ["other", "to/deeper/shard-000000.tar", "to/film.mp4"]


def test_killed_on_the_way_to_a_folder_it_goes_on(tmp_path: Path) -> None:
    """Two steps for each file: fsync and rename."""
    folder, target = random_dataset(tmp_path / "set", 1000, 2000), tmp_path / "to"
    n_kills = 0
    while killed_at_step(3, "copy", folder, target, "--workers", 1):
        n_kills += 1
        assert len(_seen(target)) == n_kills  # the second file of each run has no name yet
        _assert_whole_or_not_there(_seen(target), contents(folder))
    # A run that died left its temporary file, one more step to remove it.
    assert n_kills >= 5
    assert contents(target) == contents(folder)


@pytest.mark.parametrize("kind", ["s3", "folder"])
def test_killed_while_it_replaces(store: S3Server, tmp_path: Path, kind: str) -> None:
    old = random_dataset(tmp_path / "old", 500, 600, 700, seed=1)
    new = random_dataset(tmp_path / "new", 500, 650, seed=2)
    target = TO if kind == "s3" else str(tmp_path / "to")

    def there() -> dict[str, bytes]:
        return _there(store) if kind == "s3" else _seen(tmp_path / "to")

    copy(str(old), target)
    saw_both = False
    for step in (0, 1, 4, 2, 11, 1):
        killed = killed_at_step(step, "copy", new, target, "--replace", "--workers", 1)
        _assert_whole_or_not_there(there(), contents(old), contents(new))
        if step == 0:
            assert there() == contents(old)
        saw_both |= killed and contents(new).items() < there().items()
    webpairs("copy", new, target, "--replace").ok()
    assert there() == contents(new)


def test_a_full_disk_is_one_sentence(store: S3Server, tmp_path: Path) -> None:
    folder, target = random_dataset(tmp_path / "set", 20_000, 100), tmp_path / "to"
    copy(str(folder), TO)
    done = webpairs(
        *("copy", TO, target, "--workers", 1),
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000)),
    )
    assert done.code == 2
    assert f"the disk of {target} is full" in done.sentence
    assert contents(target).keys() <= {"shard-000001.tar"}
    copy(TO, str(target))
    assert contents(target) == contents(folder)


def test_one_copy_to_a_folder_at_a_time(tmp_path: Path) -> None:
    folder, target = random_dataset(tmp_path / "set", 1000), tmp_path / "to"
    target.mkdir()
    held = os.open(target, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        done = webpairs("copy", folder, target)
    finally:
        os.close(held)
    assert done.code == 2
    assert "another webpairs command is copying" in done.sentence
    webpairs("copy", folder, target).ok()


def test_a_manifest_chooses_no_path(tmp_path: Path) -> None:
    folder = random_dataset(tmp_path / "set", 1000)
    manifest = read_manifest(folder)
    for name in ("../shard-000000", "/etc/passwd", ".", "a/b"):
        entry = msgspec.structs.replace(manifest.shards[0], name=name)
        hostile = msgspec.structs.replace(manifest, shards=[entry])
        (folder / MANIFEST).write_bytes(encode_manifest(hostile))
        with pytest.raises(ShardCorrupt, match=r"is damaged.*shards.*name"):
            copy(str(folder), str(tmp_path / "to"))
    assert not (tmp_path / "to").exists()


def _sentence(done: Finished, code: int = 2) -> str:
    assert done.code == code, done.err
    return done.sentence


def test_mistakes_are_one_sentence(
    store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = random_dataset(tmp_path / "set", 1000)
    assert "the bucket of s3://no-such-bucket/x" in _sentence(
        webpairs("copy", folder, "s3://no-such-bucket/x")
    )
    assert "the bucket of s3://no-such-bucket/x" in _sentence(
        webpairs("copy", "s3://no-such-bucket/x", tmp_path / "to")
    )
    assert f"{TO} holds no manifest.json" in _sentence(webpairs("copy", TO, tmp_path / "to"), 3)
    assert "nothing can be written to https://a/b" in _sentence(
        webpairs("copy", folder, "https://a/b")
    )
    assert "Protocol not known: nowhere" in _sentence(webpairs("copy", folder, "nowhere://a/b"))
    assert "is no folder" in _sentence(webpairs("copy", folder, "s3://"))
    assert "onto itself" in _sentence(webpairs("copy", folder, f"{tmp_path}/x/../set"))
    assert "cannot write" in _sentence(webpairs("copy", folder, folder / "shard-000000.tar"))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    for words in ((folder, TO), (TO, tmp_path / "to")):
        assert "profile (nobody) could not be found" in _sentence(webpairs("copy", *words))
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "Could not connect" in _sentence(webpairs("copy", folder, TO))
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert f"there are no credentials for {TO}" in _sentence(webpairs("copy", folder, TO))


def test_without_s3fs_it_says_what_to_install(tmp_path: Path) -> None:
    folder = random_dataset(tmp_path / "set", 1000)
    code = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from webpairs_pipeline.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    for words in ((str(folder), TO), (TO, str(tmp_path / "to"))):
        ran = subprocess.run(
            [sys.executable, "-c", code, "copy", *words], capture_output=True, text=True, cwd=ROOT
        )
        sentence = _sentence(Finished(ran.returncode, ran.stdout, ran.stderr))
        assert "pip install 'webpairs[s3]'" in sentence


def test_rights_are_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto with its look at credentials and policies turned on."""
    folder = random_dataset(tmp_path / "set", 1000)
    with s3_server() as strict:
        for name, value in settings(strict.port).items():
            monkeypatch.setenv(name, value)
        copy(str(folder), f"s3://{BUCKET}/from")
        key = strict.add_reader()
        address = f"http://127.0.0.1:{strict.port}/moto-api/reset-auth"
        plain = {"Content-Type": "text/plain"}
        with urlopen(Request(address, b"0", plain, method="POST")) as answer:
            assert answer.status == 200
        refused = webpairs("copy", folder, TO)
        assert "the credentials for" in _sentence(refused)
        assert "are refused (InvalidAccessKeyId)" in refused.sentence
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        webpairs("copy", f"s3://{BUCKET}/from", tmp_path / "to").ok()
        assert f"{TO}/shard-000000.tar may not be written by you" in _sentence(
            webpairs("copy", folder, TO, "--workers", 1)
        )
    assert contents(tmp_path / "to") == contents(folder)
