"""The flags that every stage has, on the real command line."""

import json
from pathlib import Path
from typing import Any

from command import Word, webpairs

RECIPE = """
name = "flags"
[serve]
web = "demo"
pages = 20
port = {port}
[crawl]
private_networks = ["127.0.0.0/8"]
timeout_s = 6
retries = 0
[[filters]]
use = "text_length"
[fetch]
timeout_s = 6
retries = 0
[image]
min_side_px = 64
size_px = 64
[shards]
samples_per_shard = 10
[train]
model = "webpairs-nano"
batch_size = 4
threads = 1
[eval]
zeroshot = ["{{out}}/demo/held_out"]
"""


def test_every_stage_knows_limit_workers_set_fresh_and_json(tmp_path: Path, free_port: int) -> None:
    (tmp_path / "flags.toml").write_text(RECIPE.format(port=free_port))
    out = tmp_path / "out"

    def run(command: str, *words: Word) -> dict[str, Any]:
        flags = ["--out", out, "--workers", 1, "--json", *words]
        done = webpairs(command, tmp_path / "flags.toml", *flags).ok()
        [line] = done.out.splitlines()
        result: dict[str, Any] = json.loads(line)
        assert Path(result["made"]).exists()
        stages: dict[str, Any] = result["stages"]
        return stages

    assert run("crawl", "--limit", 30)["crawl"]["funnels"][0]["rows_in"] == 30
    assert run("filter", "--limit", 40)["filter"]["funnels"][0]["rows_in"] == 40
    unfiltered = run("filter", "--limit", 40, "--set", "filters=[]")["filter"]["funnels"][0]
    assert set(unfiltered["rejected"]) <= {"opted_out"}
    assert run("fetch", "--limit", 25)["fetch"]["funnels"][0]["rows_in"] == 25
    assert run("shard", "--limit", 12)["plan"]["funnels"][0]["rows_in"] == 12
    assert run("train", "--limit", 2)["train"]["info"]["steps"] == 2
    judged = run("eval")["eval"]["info"]["sets"][0]
    assert judged["n_classes"] == 80
    commits = out / "run/commits/train"
    before = (commits / "done.json").stat().st_mtime_ns
    run("train", "--limit", 2)
    assert (commits / "done.json").stat().st_mtime_ns == before
    run("train", "--limit", 2, "--fresh")
    assert (commits / "done.json").stat().st_mtime_ns != before


def test_an_edited_file_that_the_recipe_names_reopens_its_stage(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("http://127.0.0.1:9/\n")
    recipe = tmp_path / "r.toml"
    recipe.write_text(f'name = "r"\n[crawl]\nseeds_file = "{seeds}"\nretries = 0\n')
    first = webpairs("crawl", recipe, "--out", tmp_path / "out")
    seeds.write_text("http://127.0.0.1:10/\n")
    second = webpairs("crawl", recipe, "--out", tmp_path / "out")
    assert "127.0.0.1:9/" in first.sentence
    assert "127.0.0.1:10/" in second.sentence
