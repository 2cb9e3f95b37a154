"""What others read: plain tarfile, webdataset, HF datasets, and the rules of open_clip's loader."""

import io
import json
import tarfile
import warnings
from pathlib import Path

import pytest
from PIL import Image

from samples_fixture import build_shards
from webpairs_shards.read.open import open_shards

N = 25
Found = dict[str, tuple[bytes, str, dict[str, object]]]
"""Key → image, caption, JSON."""
_LEAVES_FILES_OPEN = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
"""webdataset 1.0.2 leaves the tars to the garbage collector."""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("interop"), N, samples_per_shard=10)


@pytest.fixture(scope="module")
def ours(shards: Path) -> Found:
    reader = open_shards(shards)
    samples = [reader.read(i) for i in range(reader.n_samples)]
    return {s.key: (s.image, s.text, json.loads(s.json)) for s in samples}


def _tars(shards: Path) -> list[str]:
    return [str(path) for path in sorted(shards.glob("*.tar"))]


def test_plain_tarfile(shards: Path, ours: Found) -> None:
    found: dict[str, dict[str, bytes]] = {}
    for path in _tars(shards):
        with tarfile.open(path, "r|") as tar:
            for member in tar:
                key, _, ending = member.name.partition(".")
                stream = tar.extractfile(member)
                assert stream is not None
                found.setdefault(key, {})[ending] = stream.read()
    assert ours == {
        key: (parts["jpg"], parts["txt"].decode(), json.loads(parts["json"]))
        for key, parts in found.items()
    }


@_LEAVES_FILES_OPEN
def test_webdataset(shards: Path, ours: Found) -> None:
    import webdataset

    samples = webdataset.WebDataset(_tars(shards), shardshuffle=False, empty_check=False)
    found = {
        sample["__key__"]: (sample["jpg"], sample["txt"].decode(), json.loads(sample["json"]))
        for sample in samples
    }
    assert found == ours
    assert list(found) == list(ours)  # in the same order


@_LEAVES_FILES_OPEN
def test_webdataset_decodes_pictures_and_captions(shards: Path) -> None:
    import webdataset

    pipeline = webdataset.WebDataset(_tars(shards), shardshuffle=False).decode("pil")
    picture, caption, facts = next(iter(pipeline.to_tuple("jpg", "txt", "json")))
    assert isinstance(picture, Image.Image)
    assert caption == facts["caption"]
    assert picture.size == (facts["width"], facts["height"])


def test_hf_datasets(
    shards: Path, ours: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    with warnings.catch_warnings():
        # Of its imports and its forks, not of our shards.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        from datasets import load_dataset

        rows = list(
            load_dataset(
                "webdataset",
                data_files={"train": _tars(shards)},
                split="train",
                streaming=True,
                cache_dir=str(tmp_path),
            )
        )
    assert {row["__key__"] for row in rows} == set(ours)
    for row in rows:
        image, caption, facts = ours[row["__key__"]]
        assert row["txt"] == caption
        assert row["json"] == facts
        assert row["jpg"].size == Image.open(io.BytesIO(image)).size


def test_open_clips_rules(shards: Path) -> None:
    """What its loader needs (training/data.py): key = name up to the first dot; members of a sample
    adjacent; an image and a non-empty txt in each; sizes.json by tar name beside the first tar."""
    sizes = json.loads((shards / "sizes.json").read_text())
    assert list(sizes) == [Path(tar).name for tar in _tars(shards)]
    seen: set[str] = set()
    for path in _tars(shards):
        groups: list[tuple[str, dict[str, int]]] = []
        with tarfile.open(path) as tar:
            for member in tar:
                prefix, _, suffix = member.name.partition(".")
                if not groups or groups[-1][0] != prefix:
                    groups.append((prefix, {}))
                assert suffix not in groups[-1][1]
                groups[-1][1][suffix.lower()] = member.size
        assert sizes[Path(path).name] == len(groups)
        for key, members in groups:
            assert key not in seen
            assert members["txt"] > 0
            assert {"jpg", "png", "jpeg", "webp"} & set(members)
            seen.add(key)
    assert len(seen) == N
