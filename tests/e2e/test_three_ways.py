"""Live pages, archives and tables in one recipe, from the command line to verified shards."""

import json
import tarfile
from pathlib import Path

import pytest

from archives_fixture import write_warc
from command import Word, killed_at_step, killed_when, webpairs
from hostile_web import Answer, HostileWeb, answer, picture
from webpairs_core.files import file_sha256

RECIPE = """
name = "three"
[crawl]
seeds = ["{live}"]
warc = ["{folder}/*.warc.gz"]
private_networks = ["127.0.0.0/8"]
site_files = []
retries = 0
[[crawl.tables]]
path = "{folder}/table.csv"
url = "URL"
text = "TEXT"
[[crawl.tables]]
path = "{folder}/urls.txt"
[fetch]
retries = 0
[image]
min_side_px = 64
size_px = 64
[shards]
samples_per_shard = 10
"""
N_ARCHIVES = 3
PAGES = 4


def routes() -> dict[str, Answer]:
    """A live page, and every picture that the live page, the archives and the tables speak of."""
    page = b"<img src=/live-0.jpg alt='a live picture'><img src=/live-1.jpg alt='another one'>"
    names = ["live-0", "live-1", "table-0", "table-1", "listed"]
    names += [f"{page}-{image}" for page in range(PAGES) for image in range(2)]
    pictures = {f"/{name}.jpg": answer(picture(seed=i)) for i, name in enumerate(names)}
    return {"/": answer(page, headers=("Content-Type: text/html",)), **pictures}


def recipe(folder: Path, web: HostileWeb) -> Path:
    host = f"{web.host}:{web.port}"
    for i in range(N_ARCHIVES):
        # The same pages in each archive: the dedup stage has work, too.
        write_warc(folder / f"{i}.warc.gz", PAGES, host)
    rows = [f"{web.url(f'/table-{i}.jpg')},a picture from a table,0.{i}5" for i in range(2)]
    (folder / "table.csv").write_text("\n".join(["URL,TEXT,similarity", *rows]) + "\n")
    (folder / "urls.txt").write_text(web.url("/listed.jpg") + "\n")
    path = folder / "three.toml"
    path.write_text(RECIPE.format(live=web.url("/"), folder=folder))
    return path


def digests(folder: Path, pattern: str) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted(folder.glob(pattern))}


def samples(shards: Path) -> dict[str, dict[str, str]]:
    """The JSON of each sample, by the end of its URL."""
    found = {}
    for path in shards.glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    file = tar.extractfile(member)
                    assert file is not None
                    sample = json.load(file)
                    found[sample["url"].rpartition("/")[2]] = sample
    return found


@pytest.mark.e2e
def test_three_ways_to_one_dataset_whatever_happens(tmp_path: Path) -> None:
    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    with HostileWeb(routes()) as web:
        path = recipe(tmp_path, web)
        done = json.loads(
            webpairs("crawl", path, "--out", quiet, "--workers", 2, "--json").ok().out
        )
        funnels = {funnel["noun"]: funnel for funnel in done["stages"]["crawl"]["funnels"]}
        assert (funnels["pages"]["rows_in"], funnels["pages"]["kept"]) == (1, 1)
        n_records = 2 * N_ARCHIVES * PAGES
        assert (funnels["records"]["rows_in"], funnels["records"]["kept"]) == (
            n_records,
            n_records // 2,
        )
        assert (funnels["rows"]["rows_in"], funnels["rows"]["kept"]) == (3, 3)

        words: list[Word] = ["crawl", path, "--out", killed, "--workers", 1, "-q"]
        n_kills = sum(killed_at_step(step, *words) for step in (1, 9, 9, 11))
        assert n_kills >= 3
        webpairs(*words).ok()
        files = digests(quiet, "p*/part-[wt]*")
        assert len(files) == N_ARCHIVES + 2
        assert digests(killed, "p*/part-[wt]*") == files
        assert web.count("/") <= 2 + n_kills
        for command in ("filter", "fetch", "shard"):
            webpairs(command, path, "--out", killed, "-q").ok()
    webpairs("verify", killed / "shards").ok()
    found = samples(killed / "shards")
    assert len(found) == 2 + 2 * PAGES + 2 + 1
    assert found["table-0.jpg"]["extra"] == '{"similarity":"0.05"}'
    assert found["table-0.jpg"]["text_source"] == "table"
    assert found["table-0.jpg"]["page_url"] == ""
    assert found["listed.jpg"]["caption"] == found["live-0.jpg"]["extra"] == ""
    assert found["0-0.jpg"]["page_url"].endswith("/0")


@pytest.mark.e2e
def test_kill_while_archives_are_read_side_by_side(tmp_path: Path) -> None:
    for i in range(6):
        write_warc(tmp_path / f"{i}.warc.gz", 300, f"{i}.example", per_page=5)
    path = tmp_path / "w.toml"
    path.write_text(f'name = "w"\n[crawl]\nwarc = ["{tmp_path}/*.warc.gz"]\n')
    out, quiet = tmp_path / "out", tmp_path / "quiet"
    words: list[Word] = ["crawl", path, "--out", out, "--workers", 2, "-q"]
    commits = out / "run/commits/crawl"

    def is_time() -> bool:
        return len(list(commits.glob("part-w*.json"))) >= 2

    assert killed_when(is_time, *words)
    done = {p: p.stat().st_mtime_ns for p in commits.glob("part-w*.json")}
    assert 2 <= len(done) < 6
    webpairs(*words).ok()
    assert {p: p.stat().st_mtime_ns for p in done} == done
    webpairs("crawl", path, "--out", quiet, "--workers", 1, "-q").ok()
    assert len(digests(quiet, "p*/part-w*")) == 6
    assert digests(out, "p*/part-w*") == digests(quiet, "p*/part-w*")
    assert not [p for p in (out / "run/tmp").rglob("*") if p.is_file()]
