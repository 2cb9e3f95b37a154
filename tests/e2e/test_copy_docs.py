"""Every example of docs/copy.md runs as it stands there, one after the other."""

import re
import subprocess
import sys
from pathlib import Path

from s3_server import BUCKET, s3_server, settings
from samples_fixture import build_shards

TEXT = (Path(__file__).parents[2] / "docs" / "copy.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```(sh|python)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_examples_run(tmp_path: Path) -> None:
    assert len(EXAMPLES) == TEXT.count("```") // 2 == 3
    assert f"s3://{BUCKET}/tiny" in TEXT
    shards = build_shards(tmp_path, 20)
    shards.parent.rename(tmp_path / "tiny")
    (tmp_path / "out").mkdir()
    (tmp_path / "tiny").rename(tmp_path / "out" / "tiny")
    with s3_server() as server:
        for language, example in EXAMPLES:
            words = [sys.executable, "-c", example]
            if language == "sh":
                ours = f'webpairs() {{ {sys.executable} -m webpairs_pipeline.cli "$@"; }}\n'
                words = ["bash", "-e", "-c", ours + example]
            done = subprocess.run(
                words, cwd=tmp_path, env=settings(server.port), capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout
            if language == "sh":
                assert "\n0 files copied (0 bytes), 10 were there" in done.stdout
