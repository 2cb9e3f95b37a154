"""Shards at their limits: very many samples, very large ones, and names that try to climb out."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from command import webpairs
from pack_files import jpeg, samples_of
from samples_fixture import build_shards
from webpairs_core.errors import ShardCorrupt
from webpairs_core.files import file_sha256
from webpairs_shards import Mixture, ShardStream, StreamOptions, open_shards
from webpairs_shards.batches import BatchLoader, BatchOptions
from webpairs_shards.check.verify import verify

TESTS = Path(__file__).parents[1]
MANY = 60_000
"""Of one shard. A million take some minutes: `python tests/tiny_samples.py FOLDER 1000000`."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("many") / "shards"
    paths = [TESTS, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, TESTS / "tiny_samples.py", folder, str(MANY)],
        env=os.environ | {"PYTHONPATH": ":".join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, [json.loads(line) for line in done.stdout.splitlines()]


def test_very_many_tiny_samples(many: tuple[Path, list[dict[str, Any]]]) -> None:
    """Each once an epoch, and what is held does not grow with them: neither by the writer (88 MB
    when it held all rows) nor by the reader."""
    folder, (written, read) = many
    assert written["gain_mb"] < 50
    assert read["gain_mb"] < 8
    assert read["n_equal"] == read["n_once"] == MANY
    assert read["state"]["position"] == MANY
    assert len(json.dumps(read["state"])) < 200
    assert open_shards(folder).read(MANY - 1).key == f"{MANY - 1:032x}"


def test_pictures_of_one_pixel_make_batches(many: tuple[Path, list[dict[str, Any]]]) -> None:
    options = BatchOptions(batch_size=64, image_size=8)
    batches = iter(BatchLoader(Mixture([(open_shards(many[0]), 1.0)]), options, workers=1))
    batch = next(batches)
    assert batch["image"].shape == (64, 3, 8, 8)
    assert batch["broken"] == {}
    assert batch["image"].flatten(2).amin(2).tolist() == [[200, 10, 10]] * 64


def test_samples_of_fifty_megabytes(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (4096, 4096, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(source / f"{i}.png", compress_level=0)
        (source / f"{i}.txt").write_text(f"noise, number {i}")
    assert min(path.stat().st_size for path in source.glob("*.png")) > 50_000_000
    words = ["--set", 'image.format="png"', "-q", "--workers", "1"]
    webpairs("pack", source, "--out", out, *words).ok()
    shutil.rmtree(out / "samples")

    webpairs("verify", out / "shards").ok()
    stream = ShardStream(Mixture([(open_shards(out / "shards"), 1.0)]), StreamOptions(epochs=1))
    found = {sample.text: sample.image for sample in stream}
    assert stream.broken == {}
    assert sorted(found) == [f"noise, number {i}" for i in range(3)]
    for i in range(3):
        assert found[f"noise, number {i}"] == (source / f"{i}.png").read_bytes()
    options = BatchOptions(batch_size=3, image_size=32, epochs=1)
    (batch,) = BatchLoader(Mixture([(open_shards(out / "shards"), 1.0)]), options)
    assert batch["image"].shape == (3, 3, 32, 32)


def _climbing(path: Path, sound: list[tuple[str, bytes]], target: Path) -> None:
    """A tar of sound members, and of all that an unpacker could be led out of its folder with."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:

        def add(name: str, data: bytes = b"", **more: Any) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for field, value in more.items():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(data))

        for name, data in sound:
            add(name, data)
        for stem in ("../evil", "../../evil", "x/../../evil", str(target / "evil"), "./../evil"):
            add(f"{stem}.jpg", jpeg(7))
            add(f"{stem}.txt", b"evil")
        add("link.jpg", type=tarfile.SYMTYPE, linkname="../secret.jpg")
        add("link.txt", b"evil")
        add("hard.jpg", type=tarfile.LNKTYPE, linkname=str(target / "secret.jpg"))
        add("hard.txt", b"evil")
        add("way", type=tarfile.SYMTYPE, linkname=str(target))
        add("way/evil.jpg", jpeg(8))
        add("way/evil.txt", b"through a link")
        add("pipe.jpg", type=tarfile.FIFOTYPE)
        add("pipe.txt", b"evil")


def _tree(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pack_writes_nothing_outside(tmp_path: Path) -> None:
    place = tmp_path / "a/b/tars"
    place.mkdir(parents=True)
    (tmp_path / "a/secret.jpg").write_bytes(jpeg(9))
    sound = [("one.jpg", jpeg(1)), ("one.txt", b"one"), ("two.jpg", jpeg(2)), ("two.txt", b"two")]
    _climbing(place / "0.tar", sound, tmp_path / "a")
    before = _tree(tmp_path)
    out = tmp_path / "c/out"
    webpairs("pack", place, "--out", out, "-q").ok()
    after = {path: data for path, data in _tree(tmp_path).items() if not path.is_relative_to(out)}
    assert after == before
    # `way` is a link to those who unpack; here nothing is unpacked, and it is a name like others.
    found = {sample["caption"] for sample in samples_of(out / "shards").values()}
    assert found == {"one", "two", "through a link"}
    assert not [path for path in out.rglob("*") if "evil" in path.name]
    (commit,) = (out / "run/commits/fetch").glob("part-*.json")
    (funnel,) = json.loads(commit.read_bytes())["funnels"]
    assert funnel["rejected"] == {"outside_source": 5, "missing_file": 4}


@pytest.mark.parametrize("is_listed", [False, True])
def test_verify_and_readers_write_nothing_outside(tmp_path: Path, is_listed: bool) -> None:
    """`is_listed`: the manifest has size and digest of the tar that climbs."""
    shards = tmp_path / "a/b/shards"
    shards.parent.mkdir(parents=True)
    build_shards(tmp_path / "made", 8).rename(shards)
    tar = shards / "shard-000000.tar"
    with tarfile.open(tar) as old:
        sound = [(member.name, old.extractfile(member).read()) for member in old]  # type: ignore[union-attr]
    (tmp_path / "a/secret.jpg").write_bytes(jpeg(9))
    _climbing(tar, sound, tmp_path / "a")
    if is_listed:
        manifest = msgspec.json.decode((shards / "manifest.json").read_bytes())
        manifest["shards"][0] |= {"bytes": tar.stat().st_size, "sha256": file_sha256(tar)}
        (shards / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    before = _tree(tmp_path)
    assert any("../evil.jpg" in fault.detail for fault in verify(shards).faults)
    done = webpairs("verify", shards)
    assert done.code == 3
    assert "the first one in shard-000000.tar" in done.sentence
    with pytest.raises(ShardCorrupt):
        open_shards(shards).read(0)
    assert webpairs("index", shards, "--dali", tmp_path / "dali").code == 3
    assert _tree(tmp_path) == before
