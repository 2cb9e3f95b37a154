"""Every example of docs/streaming.md runs as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from range_server import RangeServer
from samples_fixture import build_shards

TEXT = (Path(__file__).parents[2] / "docs" / "streaming.md").read_text("utf-8")
ELSEWHERE = "https://data.example.org/out/shards"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_document_has_examples() -> None:
    assert len(EXAMPLES) == TEXT.count("```python") >= 6


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_runs(tmp_path: Path, number: int) -> None:
    _run(tmp_path, EXAMPLES[number], {})


def test_the_webdataset_that_open_clip_pins_reads_them_too(tmp_path: Path) -> None:
    old = Path(sys.prefix) / "webdataset-old"
    if not old.is_dir():
        pytest.skip("made by `make .venv/dev`")
    (example,) = (each for each in EXAMPLES if "\nimport webdataset\n" in each)
    is_old = 'assert webdataset.__version__ == "0.2.86"\n'
    _run(tmp_path, example + is_old, {"PYTHONPATH": str(old)})


def _run(folder: Path, example: str, env: dict[str, str]) -> None:
    build_shards(folder, 40, samples_per_shard=10).rename(folder / "shards")
    script = folder / "example.py"
    with RangeServer(folder / "shards") as server:
        script.write_text(example.replace(ELSEWHERE, server.url), encoding="utf-8")
        _run_script(script, env)


def _run_script(script: Path, env: dict[str, str]) -> None:
    folder = script.parent
    quiet = {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=folder,
        env=os.environ | quiet | env,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
