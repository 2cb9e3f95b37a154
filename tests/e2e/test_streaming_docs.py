"""Every example of docs/streaming.md runs as it stands there."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from range_server import RangeServer
from samples_fixture import build_shards

TEXT = (Path(__file__).parents[2] / "docs" / "streaming.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)+)", TEXT, re.MULTILINE))
ELSEWHERE = "https://data.example.org/out/shards"
BIN = Path(sys.executable).parent
N = 48
"""Samples, in 4 shards: whole batches of 8 for each of two workers, as open_clip wants them."""

TORCHVISION = """
# Some builds of torchvision have no operators for the torch that is installed, and do not import
# for that alone. Nothing here needs its operators.
import torch.library

_register_fake = torch.library.register_fake


def register_fake(name, *words, **more):
    if str(name).startswith("torchvision::"):
        return lambda function: function
    return _register_fake(name, *words, **more)


torch.library.register_fake = register_fake
"""


class Block(NamedTuple):
    language: str
    text: str


def _blocks(section: str) -> list[Block]:
    found = re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [Block(*each) for each in found]


BLOCKS = {name: _blocks(section) for name, section in SECTIONS.items()}
RUN_ELSEWHERE = ("open_clip", "NVIDIA DALI")


def test_the_document_has_examples_and_all_of_them_run() -> None:
    assert sum(map(len, BLOCKS.values())) == TEXT.count("\n```") // 2 >= 10
    assert {block.language for blocks in BLOCKS.values() for block in blocks} == {"python", "sh"}
    assert all(BLOCKS.values())
    assert set(RUN_ELSEWHERE) < set(BLOCKS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_shards(tmp_path, N, samples_per_shard=12).rename(tmp_path / "shards")
    return tmp_path


@pytest.mark.parametrize("name", [name for name in BLOCKS if name not in RUN_ELSEWHERE])
def test_examples_run(folder: Path, name: str) -> None:
    with RangeServer(folder / "shards") as server:
        for block in BLOCKS[name]:
            _run(folder, block._replace(text=block.text.replace(ELSEWHERE, server.url)))


def test_the_webdataset_that_open_clip_pins_reads_them_too(folder: Path) -> None:
    (block,) = BLOCKS["webdataset"]
    is_old = 'assert webdataset.__version__ == "0.2.86"\n'
    _run(folder, Block("python", block.text + is_old), _installed_apart("webdataset-old"))


def test_open_clip_trains_an_epoch_of_them(folder: Path) -> None:
    """Its own script counts what sizes.json says, and reads that many without a complaint."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(TORCHVISION)
    tiny = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 24, "width": 32, "heads": 2, "layers": 1},
    }
    (folder / "tiny").mkdir()
    (folder / "tiny/open_clip_config.json").write_text(json.dumps({"model_cfg": tiny}))
    (block,) = BLOCKS["open_clip"]
    command = block.text.replace("--model ViT-B-32", "--model local-dir:tiny")
    assert command != block.text
    paths = [site, *_installed_apart("open-clip"), *_installed_apart("webdataset-old")]
    _run(folder, Block("sh", command), paths)

    assert sum(json.loads((folder / "shards/sizes.json").read_text()).values()) == N
    (log,) = folder.glob("logs/*/out.log")
    said = log.read_text("utf-8")
    assert f"Train Epoch: 0 [{N}/{N} (100%)]" in said
    assert "Handling webdataset error" not in said
    assert len(list(folder.glob("logs/*/checkpoints/epoch_1.pt"))) == 1


def test_dali(folder: Path) -> None:
    index, reader = BLOCKS["NVIDIA DALI"]
    _run(folder, index)
    assert [path.name for path in sorted(folder.glob("dali-index/*"))] == [
        f"shard-00000{number}.idx" for number in range(4)
    ]
    if importlib.util.find_spec("nvidia") and importlib.util.find_spec("nvidia.dali"):
        _run(folder, reader)


def _installed_apart(name: str) -> list[Path]:
    """A folder for PYTHONPATH; its packages would be in the way of others in the environment."""
    folder = Path(sys.prefix) / name
    if not folder.is_dir():
        pytest.skip("made by `make .venv/dev`")
    return [folder]


def _run(folder: Path, block: Block, paths: list[Path] | None = None) -> None:
    script = folder / f"example.{block.language}"
    script.write_text(block.text, encoding="utf-8")
    program = {"python": sys.executable, "sh": "sh"}[block.language]
    env = {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    found = [*map(str, paths or []), *filter(None, [os.environ.get("PYTHONPATH")])]
    env |= {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": ":".join(found)}
    done = subprocess.run(
        [program, *(["-e"] if program == "sh" else []), script.name],
        cwd=folder,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "is not standard" not in done.stderr  # mlcroissant, of our @context
