"""Every example of docs/streaming.md runs as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from samples_fixture import build_shards

TEXT = (Path(__file__).parents[2] / "docs" / "streaming.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_document_has_examples() -> None:
    assert len(EXAMPLES) == TEXT.count("```python") >= 6


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_runs(tmp_path: Path, number: int) -> None:
    build_shards(tmp_path, 40, samples_per_shard=10).rename(tmp_path / "shards")
    script = tmp_path / "example.py"
    script.write_text(EXAMPLES[number], encoding="utf-8")
    quiet = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
