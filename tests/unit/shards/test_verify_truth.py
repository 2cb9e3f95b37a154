"""What verify says a reader will do is what the reader does: run on tars with one fault each."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

import foreign_readers
from foreign_tars import CASES
from webpairs_shards.check.findings import Report
from webpairs_shards.check.verify import verify

OLD = Path(sys.prefix) / "webdataset-old"
NAMES = {
    "webdataset": "webdataset 1.0.2",
    "webdataset-old": "webdataset 0.2.86",
    "datasets": "datasets 5.2.0",
    "open_clip": "open_clip 3.3.0",
}
TABLE_NAME = "webdataset 0.2.86 and 1.0.2"
MEANT = {
    # samples, those with an image, those with a text: where it is not 32 of each
    "no_captions": (32, 32, 0),
    "some_without_caption": (32, 32, 31),
    "no_images": (32, 0, 32),
    "some_without_image": (32, 31, 32),
    "glued": (40, 40, 40),
    "empty_tar": (24, 24, 24),
    "only_empty_tar": (0, 0, 0),
    "half_border": (24, 24, 24),
}
BESIDE = {"few_shards", "no_sizes", "sizes_incomplete", "sizes_wrong", "shard_without_pairs"}
"""Kinds that are not about one process that reads all tars."""
N_CAPTIONS = {"border": 29, "half_border": 24, "glued": 40, "empty_tar": 24}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name, write in CASES.items():
        made[name] = tmp_path_factory.mktemp(name)
        write(made[name])
    return made


def _predicted(report: Report, reader: str) -> str:
    """The worst that the report says of a reader."""
    names = {NAMES[reader]} | ({TABLE_NAME} if reader.startswith("webdataset") else set())
    verbs = {
        effect.verb
        for found in report.findings
        for effect in found.effects
        if effect.reader in names and found.kind not in BESIDE
    }
    return next((verb for verb in ("hangs", "fails", "misleads") if verb in verbs), "reads")


def _written(folder: Path) -> dict[str, Any]:
    """The JSON of each sample, as it was written."""
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    stream = tar.extractfile(member)
                    assert stream is not None
                    found[member.name.removesuffix(".json")] = json.loads(stream.read())
    return found


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return value


def _observed(name: str, reader: str, told: dict[str, Any], folder: Path) -> str:
    if "hangs" in told:
        return "hangs"
    if "fails" in told:
        return "fails"
    if reader == "open_clip":
        captions = [caption for caption in told["captions"] if caption.strip()]
        return "reads" if len(captions) == N_CAPTIONS.get(name, 32) else "misleads"
    n = told["samples"], told["images"], told["texts"]
    is_told = n == MEANT.get(name, (32, 32, 32))
    if is_told and name.startswith("json_") and reader == "datasets":
        is_told = _without_nulls(told["json"]) == _without_nulls(_written(folder))
    return "reads" if is_told else "misleads"


@pytest.mark.parametrize("reader", NAMES)
def test_readers_do_what_verify_says(folders: dict[str, Path], reader: str, tmp_path: Path) -> None:
    if reader in ("webdataset-old", "open_clip") and not OLD.exists():
        pytest.skip("webdataset 0.2.86 is not installed beside the environment")
    offline = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, foreign_readers.__file__, reader, *map(str, folders.values())],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | offline,
        timeout=250,
    )
    answers = dict(zip(folders, map(json.loads, done.stdout.splitlines()), strict=True))
    observed = {
        name: _observed(name, reader, told, folders[name]) for name, told in answers.items()
    }
    predicted = {name: _predicted(verify(folder), reader) for name, folder in folders.items()}
    assert observed == predicted
    assert set(observed.values()) >= {"reads", "misleads", "fails"} - (
        {"fails"} if reader == "open_clip" else set()
    )
    assert ("hangs" in observed.values()) == (reader == "open_clip")
