"""A frontier whose process is killed, again and again, and one whose disk fails."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command import ROOT
from webpairs_core.errors import StorageError
from webpairs_crawler.frontier.frontier import Answer, CrawlPlan, Frontier
from webpairs_crawler.frontier.store import FILE_NAME

N_PAGES = 7000
N_KILLS = 11

CRAWL = """
import json, os, sys
from pathlib import Path
from webpairs_crawler.frontier.frontier import REDIRECT, Answer, CrawlPlan, Frontier

folder, order, n_pages = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def url(i):
    return f"http://h{i % 40}.example/{i}"

def answer(address):
    i = int(address.rpartition("/")[2])
    links = [j for k in range(1, 5) if (j := 4 * i + k) < n_pages] + [i // 2, i // 3]
    if i % 7 == 3:
        links = [4 * i + 1] if 4 * i + 1 < n_pages else [0]
    outcome = REDIRECT if i % 7 == 3 else "ok"
    return Answer(outcome, tuple(map(url, links)), record=address.encode() + bytes(i % 5000))

def commit(frontier):
    records = list(frontier.records())
    if not records:
        return
    part = folder / "parts" / f"{len(list((folder / 'parts').glob('*.json'))):06}"
    urls = [data.rstrip(bytes(1)).decode() for _, data in records]
    part.with_suffix(".tmp").write_text(json.dumps({"last": records[-1][0], "urls": urls}))
    part.with_suffix(".tmp").rename(part.with_suffix(".json"))
    frontier.drop_records(records[-1][0])

(folder / "parts").mkdir(parents=True, exist_ok=True)
plan = CrawlPlan(
    seeds=(url(0), url(1)), max_pages=n_pages - 500, max_depth=99, allowed_domains=("*",),
    per_host=3, order=order,
)
frontier = Frontier(folder / "frontier", plan)
parts = sorted((folder / "parts").glob("*.json"))
frontier.drop_records(json.loads(parts[-1].read_text())["last"] if parts else 0)
log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
print("ready", flush=True)
out, n = [], 0
while not frontier.is_finished:
    ask = frontier.next_ask()
    if ask is not None:
        os.write(log, f"ask {ask.url} .\\n".encode())
        out.append(ask)
    if out and (ask is None or len(out) > 8):
        ask = out.pop(n % len(out))
        if n % 31 == 5 and not ask.attempts:
            frontier.put_back(ask, 0.001)
        else:
            frontier.answer(ask, answer(ask.url))
            os.write(log, f"answered {ask.url} .\\n".encode())
        n += 1
        if n % 50 == 0:
            commit(frontier)
commit(frontier)
frontier.close()
print("finished", flush=True)
"""


def crawl(folder: Path, order: str, kill_after_s: float | None) -> None:
    words = [sys.executable, "-c", CRAWL, str(folder), order, str(N_PAGES)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    with process:
        if kill_after_s is None:
            assert process.stdout.read().split() == ["ready", "finished"]
            return
        assert process.stdout.readline() == "ready\n"
        time.sleep(kill_after_s)
        process.kill()
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL, "it was finished before it was killed"


def committed(folder: Path) -> list[str]:
    parts = sorted((folder / "parts").glob("*.json"))
    return [url for part in parts for url in json.loads(part.read_text())["urls"]]


@pytest.mark.parametrize("order", ["levels", "free"])
def test_killed_at_random_instants_nothing_is_lost_nothing_doubled(
    tmp_path: Path, order: str
) -> None:
    rng = random.Random(order)
    for _ in range(N_KILLS):
        crawl(tmp_path, order, kill_after_s=rng.uniform(0, 0.05))
    crawl(tmp_path, order, kill_after_s=None)
    urls = committed(tmp_path)
    assert len(urls) == len(set(urls)) == N_PAGES - 500
    answered: set[str] = set()
    for line in (tmp_path / "log").read_text().splitlines():
        word, url, *rest = line.split()
        if rest != ["."]:  # torn by a kill, and joined with the next one
            continue
        assert word == "answered" or url not in answered, "asked again though it was answered"
        if word == "answered":
            answered.add(url)
    if order == "levels":
        quiet = tmp_path / "quiet"
        crawl(quiet, order, kill_after_s=None)
        assert sorted(committed(quiet)) == sorted(urls)


def plan(n_seeds: int = 1, **changes: object) -> CrawlPlan:
    values: dict[str, object] = {
        "seeds": tuple(f"http://h{i}.example/" for i in range(n_seeds)),
        "max_pages": 10**6,
        "max_depth": 9,
        "allowed_domains": ("*",),
        "per_host": 1,
    }
    return CrawlPlan(**(values | changes))  # type: ignore[arg-type]


def answer_some(frontier: Frontier, n_pages: int) -> list[str]:
    urls = []
    for _ in range(n_pages):
        ask = frontier.next_ask()
        assert ask is not None
        links = tuple(f"{ask.url}{i}/" for i in range(20))
        frontier.answer(ask, Answer("ok", links, record=ask.url.encode()))
        urls.append(ask.url)
    return urls


def test_a_log_cut_anywhere_gives_an_earlier_state(tmp_path: Path) -> None:
    """What a power cut may leave: some last commits are gone, none is there in part."""
    frontier = Frontier(tmp_path / "a", plan())
    urls = answer_some(frontier, 60)
    log = f"{FILE_NAME}-wal"
    length = (tmp_path / "a" / log).stat().st_size
    n_seen = set()
    for i, cut in enumerate([0, *range(length // 2, length, length // 19)]):
        left = tmp_path / f"cut-{i}"
        shutil.copytree(tmp_path / "a", left)
        os.truncate(left / log, cut)
        again = Frontier(left, plan())
        records = [data.decode() for _, data in again.records()]
        assert records == urls[: len(records)]
        assert again.n_answered == len(records)
        assert again.n_queued == max(1, 1 + 19 * len(records))
        n_seen.add(len(records))
        if len(records) < len(urls):
            with pytest.raises(StorageError, match="--fresh"):
                again.drop_records(len(urls))
    assert 0 in n_seen
    assert len(n_seen) > 5


def test_a_lost_database(tmp_path: Path) -> None:
    answer_some(Frontier(tmp_path, plan()), 3)
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / f"{FILE_NAME}-wal").unlink()
    frontier = Frontier(tmp_path, plan())
    with pytest.raises(StorageError, match="is lost or older than"):
        frontier.drop_records(3)


@pytest.mark.parametrize("where", [0, 4096, 8192])
def test_a_damaged_database(tmp_path: Path, where: int) -> None:
    frontier = Frontier(tmp_path, plan(n_seeds=500))
    answer_some(frontier, 30)
    frontier.close()
    with (tmp_path / FILE_NAME).open("r+b") as file:
        file.seek(where)
        file.write(b"garbage! " * 500)
    with pytest.raises(StorageError, match="run again with --fresh"):
        answer_some(Frontier(tmp_path, plan(n_seeds=500)), 200)


def test_another_order(tmp_path: Path) -> None:
    Frontier(tmp_path, plan()).close()
    with pytest.raises(StorageError, match="another order"):
        Frontier(tmp_path, plan(order="free"))


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="choose another place"):
        Frontier(tmp_path / "file" / "frontier", plan())


def test_two_processes(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from webpairs_crawler.frontier.frontier import CrawlPlan, Frontier\n"
        "Frontier(Path(sys.argv[1]), CrawlPlan(seeds=(), max_pages=1, max_depth=1, "
        "allowed_domains=(), per_host=1))\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    frontier = Frontier(tmp_path, plan())
    answer_some(frontier, 1)
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "StorageError" in done.stderr
    assert "in use" in done.stderr
    answer_some(frontier, 1)
    frontier.close()
    assert subprocess.run(words, check=False, cwd=ROOT).returncode == 0


FULL_DISK = """
import resource, sys
from pathlib import Path
from webpairs_core.errors import StorageError
from webpairs_crawler.frontier.frontier import Answer, CrawlPlan, Frontier

limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
plan = CrawlPlan(
    seeds=("http://a.example/",), max_pages=400, max_depth=999, allowed_domains=(), per_host=1
)
try:
    frontier = Frontier(Path(sys.argv[1]), plan)
    while ask := frontier.next_ask():
        links = tuple(f"{ask.url}{i}/" for i in range(3))
        frontier.answer(ask, Answer("ok", links, record=ask.url.encode() + b" " * 5000))
        if not limit:
            continue
except StorageError as error:
    print(error)
    sys.exit(2)
assert frontier.is_finished
urls = [data.split()[0] for _, data in frontier.records()]
assert len(urls) == len(set(urls)) == 400, len(urls)
"""


@pytest.mark.parametrize("limit", [5_000, 300_000, 1_000_000])
def test_a_full_disk(tmp_path: Path, limit: int) -> None:
    """The limit is on the size of a file, which the kernel refuses as it does on a full disk."""

    def run(limit: int) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(limit)]
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)

    full = run(limit)
    assert full.returncode == 2, full.stderr
    assert "the disk is full or failing; free some space" in full.stdout
    again = run(0)
    assert again.returncode == 0, again.stderr
