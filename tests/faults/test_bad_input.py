"""Mistakes and limits: one clear sentence, the right exit code, nothing half-written."""

import resource
import shutil
import socket
from pathlib import Path

import pytest

from command import Finished, Word, webpairs
from webpairs_pipeline.recipe import load_recipe
from webpairs_pipeline.serve import serving

RECIPE = """
name = "small"
[serve]
web = "demo"
pages = 20
port = {port}
[crawl]
private_networks = ["127.0.0.0/8"]
timeout_s = 2
retries = 0
[[filters]]
use = "text_length"
[fetch]
timeout_s = 2
[image]
min_side_px = 64
size_px = 64
[shards]
samples_per_shard = 20
"""


@pytest.fixture
def recipe(tmp_path: Path, free_port: int) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE.format(port=free_port))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small.toml and a run finished up to its shards, to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    with socket.socket() as sock:
        sock.bind(("0.0.0.0", 0))
        port = sock.getsockname()[1]
    (folder / "small.toml").write_text(RECIPE.format(port=port))
    for command in ("crawl", "filter", "fetch", "shard"):
        webpairs(command, folder / "small.toml", "--out", folder / "out").ok()
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    return copy


def nothing_half_written(out: Path) -> None:
    """No temporary file is left, and every file under a final name is in the ledger, whole."""
    tmp = out / "run" / "tmp"
    left = [p for p in tmp.rglob("*") if p.is_file()] if tmp.exists() else []
    assert left == []
    for folder in ("pairs", "pages", "candidates", "rejects", "samples", "plan", "shards"):
        for path in (out / folder).rglob("*"):
            if path.is_file():
                named = str(path.relative_to(out))
                commits = (out / "run" / "commits").rglob("*.json")
                assert any(named in commit.read_text() for commit in commits), f"{named} is stray"


def test_a_misspelt_key(recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("min_side_px", "min_side_pixels"))
    done = webpairs("crawl", recipe)
    assert done.code == 2
    assert "unknown key 'min_side_pixels' at [image]; did you mean 'min_side_px'?" in done.sentence


def test_an_unreachable_seed(recipe: Path, tmp_path: Path, free_port: int) -> None:
    seed = f"http://127.0.0.1:{free_port}/"
    words = ["--set", "serve.web=none", "--set", f'crawl.seeds=["{seed}"]']
    done = webpairs("crawl", recipe, "--out", tmp_path / "out", *words)
    assert done.code == 2
    assert seed in done.sentence
    nothing_half_written(tmp_path / "out")


def test_no_seeds_at_all(recipe: Path, tmp_path: Path) -> None:
    done = webpairs("crawl", recipe, "--out", tmp_path / "out", "--set", "serve.web=none")
    assert done.code == 2
    for way in ("crawl.seeds", "crawl.warc", "crawl.tables"):
        assert way in done.sentence


def test_a_private_seed_is_refused(recipe: Path, tmp_path: Path, free_port: int) -> None:
    words = ["--set", "serve.web=none", "--set", "crawl.private_networks=[]"]
    seeds = f'crawl.seeds=["http://127.0.0.1:{free_port}/"]'
    done = webpairs("crawl", recipe, "--out", tmp_path / "out", *words, "--set", seeds)
    assert done.code == 2
    assert "private" in done.sentence


def test_nothing_left_after_the_filters(run: Path) -> None:
    recipe = run / "small.toml"
    recipe.write_text(recipe.read_text().replace('"text_length"', '"text_length"\nmin_chars = 900'))
    done = webpairs("filter", recipe, "--out", run / "out")
    assert done.code == 4
    assert "text_too_short" in done.sentence
    nothing_half_written(run / "out")


def test_a_stage_without_its_input(recipe: Path, tmp_path: Path) -> None:
    done = webpairs("shard", recipe, "--out", tmp_path / "out")
    assert done.code == 2
    assert "no finished fetch stage" in done.sentence


@pytest.mark.parametrize(
    ("folder", "command"), [("pairs", "filter"), ("candidates", "fetch"), ("samples", "shard")]
)
def test_a_truncated_part(run: Path, folder: str, command: str) -> None:
    [part, *_] = sorted((run / "out" / folder).glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-100])
    done = webpairs(command, run / "small.toml", "--out", run / "out")
    assert done.code == 3
    assert part.name in done.sentence
    nothing_half_written(run / "out")


def test_a_part_with_a_changed_byte(run: Path) -> None:
    [part, *_] = sorted((run / "out/pairs").glob("*.parquet"))
    data = bytearray(part.read_bytes())
    data[4:400] = bytes(396)
    part.write_bytes(data)
    done = webpairs("filter", run / "small.toml", "--out", run / "out", "--fresh")
    assert done.code == 3
    assert part.name in done.sentence
    nothing_half_written(run / "out")


def test_a_tar_with_a_flipped_bit(run: Path) -> None:
    [tar, *_] = sorted((run / "out/shards").glob("*.tar"))
    assert webpairs("verify", run / "out/shards").ok().out
    data = bytearray(tar.read_bytes())
    data[len(data) // 3] ^= 1
    tar.write_bytes(data)
    done = webpairs("verify", run / "out/shards")
    assert done.code == 3
    assert done.sentence
    assert tar.name in done.err


def test_a_port_in_use(recipe: Path, tmp_path: Path, free_port: int) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.2", free_port))
        sock.listen()
        done = webpairs("crawl", recipe, "--out", tmp_path / "out")
    assert done.code == 2
    assert str(free_port) in done.sentence
    nothing_half_written(tmp_path / "out")


INPUTS = """
name = "inputs"
[crawl]
warc = {warc}
[[crawl.tables]]
path = "{table}"
url = "{column}"
"""


@pytest.mark.parametrize(
    ("settings", "code", "sentence"),
    [
        ({"warc": '["{folder}/none*.warc.gz"]'}, 2, "no file matches"),
        ({"warc": '["{folder}/text.warc.gz"]'}, 3, "text.warc.gz"),
        ({"warc": '["{folder}/empty.warc.gz"]'}, 3, "empty.warc.gz"),
        ({"warc": '["http://127.0.0.1:{port}/x.paths.gz"]'}, 2, "127.0.0.1:{port}"),
        ({"column": "URL"}, 2, "has no column 'URL', only url, text: set url"),
        ({"table": "{folder}/text.parquet"}, 3, "no Parquet file or damaged"),
    ],
)
def test_inputs_that_cannot_be_read(
    tmp_path: Path, free_port: int, settings: dict[str, str], code: int, sentence: str
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("text.warc.gz", "text.parquet"):
        (folder / name).write_text("this is plain text\n" * 50)
    (folder / "empty.warc.gz").write_bytes(b"")
    (folder / "good.csv").write_text("url,text\nhttp://a.example/1.jpg,a kite\n")
    given = {"warc": "[]", "table": "{folder}/good.csv", "column": "url", **settings}
    filled = {k: v.format(folder=folder, port=free_port) for k, v in given.items()}
    (tmp_path / "r.toml").write_text(INPUTS.format(**filled))
    done = webpairs("crawl", tmp_path / "r.toml", "--out", tmp_path / "out")
    assert done.code == code
    assert sentence.format(port=free_port) in done.sentence
    assert "bug" not in done.sentence
    nothing_half_written(tmp_path / "out")


@pytest.mark.parametrize("command", ["crawl", "filter", "fetch", "shard"])
def test_a_full_disk(run: Path, command: str) -> None:
    """A file-size limit stands for a full disk: the same refusal at the same system calls."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

    section = load_recipe(run / "small.toml", []).serve
    # The web is served from outside: it keeps a log, and is not what the limit is for.
    with serving(section, run / "served") as web:
        words: list[Word] = [command, run / "small.toml", "--out", run / "out", "-q"]
        words += ["--set", "serve.web=none", "--set", f"crawl.seeds={list(web.seeds)}"]
        done = webpairs(*words, "--fresh", before=limit)
        assert done.code == 2
        assert "disk" in done.sentence
        nothing_half_written(run / "out")
        webpairs(*words).ok()


def test_an_out_that_cannot_be_written(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = webpairs("crawl", recipe, "--out", tmp_path / "file")
    assert done.code == 2
    assert "--out" in done.sentence


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show"], "no manifest.json"),
        (["verify"], "no manifest.json"),
        (["report"], "no finished stage"),
    ],
)
def test_a_folder_that_is_not_ours(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = webpairs(*words, tmp_path)
    assert done.code in (2, 3)
    assert sentence in done.sentence


def test_a_wrong_flag() -> None:
    done: Finished = webpairs("crawl", "recipes/demo.toml", "--workers", "0")
    assert done.code == 2
    assert "must be 1 or more" in done.err
