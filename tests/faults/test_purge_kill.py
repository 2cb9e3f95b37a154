"""A purge that is killed, meets a full disk or another purge: nothing is half done, and the same
command ends with the bytes of an undisturbed one."""

import errno
import fcntl
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command import Word, killed_at_step, webpairs
from purges import list_of, purge_now, rows_of, state
from samples_fixture import build_shards
from webpairs_core import files
from webpairs_core.errors import ShardError, StorageError
from webpairs_shards.check.verify import verify
from webpairs_shards.format.manifest import refuse_unfinished_purge
from webpairs_shards.read.open import open_shards

N = 16
JOURNAL = "purge.json"
UNFINISHED = "a purge is at work here or was interrupted"


class Reference:
    """A run of four shards, and what it is after an undisturbed purge that takes one shard as a
    whole, some samples of two others, and none of the fourth."""

    def __init__(self, folder: Path) -> None:
        self.before = build_shards(folder, N, samples_per_shard=4).parent
        rows = rows_of(self.before / "shards")
        gone = [rows[i]["key"] for i in (0, 4, 5, 6, 7, 9, 10)]
        self.keys = list_of(folder / "keys.txt", gone)
        self.state_before = state(self.before)
        self.after = Path(shutil.copytree(self.before, folder / "after"))
        assert purge_now(self.after / "shards", key=(self.keys,))["removed"] == len(gone)
        self.state_after = state(self.after)
        self.left = [row for row in rows if row["key"] not in gone]

    def steps(self, folder: Path) -> list[str]:
        """The durable operations of an undisturbed purge, in order."""
        out = Path(shutil.copytree(self.before, folder))
        seen: list[str] = []
        with on_each_step(seen.append):
            purge_now(out / "shards", key=(self.keys,))
        return seen

    def is_untouched(self, out: Path) -> bool:
        """But for a scratch folder that nobody reads."""
        left = {k: v for k, v in state(out).items() if not k.startswith("shards/.purge/")}
        return left == self.state_before


def words_for(reference: Reference, shards: Path, workers: int = 1) -> list[Word]:
    return ["purge", shards, "--key", reference.keys, "--workers", workers, "-q"]


@contextmanager
def on_each_step(call: Callable[[str], None]) -> Iterator[None]:
    before = files.on_step
    files.on_step = call
    try:
        yield
    finally:
        files.on_step = before


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference(tmp_path_factory.mktemp("purged"))


def is_whole(out: Path, reference: Reference) -> None:
    """What somebody who comes in between finds: the old folder, the new one, or one sentence."""
    shards = out / "shards"
    if (shards / JOURNAL).exists():
        for look in (open_shards, verify, refuse_unfinished_purge):
            with pytest.raises(ShardError, match=UNFINISHED):
                look(shards)
    elif not reference.is_untouched(out):
        assert state(out) == reference.state_after
    else:
        assert verify(shards).faults == []


@pytest.mark.parametrize("part", range(8))
def test_killed_before_any_durable_operation(
    reference: Reference, tmp_path: Path, part: int
) -> None:
    """Before each eighth operation, from the `part`-th one on; each in a copy of its own."""
    n_steps = len(reference.steps(tmp_path / "steps"))
    assert n_steps > 30
    n_unfinished = 0
    for step in range(part, n_steps, 8):
        out = Path(shutil.copytree(reference.before, tmp_path / str(step)))
        words = words_for(reference, out / "shards")
        assert killed_at_step(step, *words)
        is_whole(out, reference)
        n_unfinished += (out / "shards" / JOURNAL).exists()
        purge_now(out / "shards", key=(reference.keys,))
        assert state(out) == reference.state_after, f"killed at step {step}"
        shutil.rmtree(out)
    assert n_unfinished > 1


def test_killed_again_while_the_first_kill_is_mended(reference: Reference, tmp_path: Path) -> None:
    """Each attempt dies a little later than the one before, all on one folder."""
    out = Path(shutil.copytree(reference.before, tmp_path / "out"))
    n_killed = 0
    for step in (40, 1, 2, 4, 7, 11, 16, 22):
        words = words_for(reference, out / "shards")
        if not killed_at_step(step if n_killed else 25, *words):
            break
        n_killed += 1
        is_whole(out, reference)
    assert n_killed >= 4
    purge_now(out / "shards", key=(reference.keys,))
    assert state(out) == reference.state_after


def killed_in_the_middle(reference: Reference, out: Path) -> Path:
    """A copy of the run in which a purge has renamed some of its files."""
    steps = reference.steps(out.with_name(f"{out.name}-steps"))
    shutil.copytree(reference.before, out)
    first = next(i for i, step in enumerate(steps) if step == "rename shard-000000.idx")
    words = words_for(reference, out / "shards")
    assert killed_at_step(first, *words)
    assert (out / "shards" / JOURNAL).exists()
    return out / "shards"


def test_any_purge_finishes_the_one_that_was_killed(reference: Reference, tmp_path: Path) -> None:
    shards = killed_in_the_middle(reference, tmp_path / "out")
    for command in ("verify", "show", "purge"):
        words = ["--dry-run", "--key", reference.keys] if command == "purge" else []
        done = webpairs(command, shards, *words, "-q")
        assert done.code == 3
        assert f"{UNFINISHED}: wait for it, or finish it with `webpairs purge" in done.sentence
    done = webpairs("pack", shards, "--out", tmp_path / "packed")
    assert (done.code, UNFINISHED in done.sentence) == (3, True)
    done = webpairs("purge", shards, "-q").ok()  # no list: only what is left to do
    assert "the interrupted purge is finished" in done.out
    assert state(shards.parent) == reference.state_after


def test_another_list_finishes_the_first_purge_and_goes_on(
    reference: Reference, tmp_path: Path
) -> None:
    shards = killed_in_the_middle(reference, tmp_path / "out")
    other = list_of(tmp_path / "other.txt", [reference.left[-1]["key"]])
    result = purge_now(shards, key=(other,))
    assert (result["finished"], result["removed"]) == ([str(shards)], 1)
    assert [row["key"] for row in rows_of(shards)] == [row["key"] for row in reference.left[:-1]]
    assert verify(shards).faults == []


def test_a_copy_of_an_unfinished_folder_is_finished_too(
    reference: Reference, tmp_path: Path
) -> None:
    shards = killed_in_the_middle(reference, tmp_path / "out")
    alone = Path(shutil.copytree(shards, tmp_path / "alone"))
    purge_now(alone, key=(reference.keys,))
    assert rows_of(alone) == reference.left
    assert verify(alone).faults == []


def test_the_run_waits_for_its_purge(reference: Reference, tmp_path: Path) -> None:
    """`shard --fresh` would forget what the purge was about to remove."""
    shards = killed_in_the_middle(reference, tmp_path / "out")
    before = state(shards)
    recipe = tmp_path / "tiny.toml"
    recipe.write_text('name = "tiny"\n')
    for command in ("shard", "train"):
        done = webpairs(command, recipe, "--out", shards.parent, "--fresh")
        assert (done.code, UNFINISHED in done.sentence) == (3, True)
    assert state(shards) == before


def test_a_folder_that_was_changed_meanwhile_is_not_mixed(
    reference: Reference, tmp_path: Path
) -> None:
    shards = killed_in_the_middle(reference, tmp_path / "out")
    manifest = shards / "manifest.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole + b"\n")
    before = state(shards)
    for _ in range(2):
        done = webpairs("purge", shards, "--key", reference.keys)
        assert done.code == 3
        assert "is neither the one from before the interrupted purge nor" in done.sentence
        assert state(shards) == before
    manifest.write_bytes(whole)
    shutil.rmtree(shards / ".purge")
    done = webpairs("purge", shards, "--key", reference.keys)
    assert done.code == 3
    assert "is neither the one from before the interrupted purge nor" in done.sentence


def test_a_journal_that_is_none(reference: Reference, tmp_path: Path) -> None:
    shards = Path(shutil.copytree(reference.before / "shards", tmp_path / "shards"))
    (shards / JOURNAL).write_text("{")
    done = webpairs("purge", shards, "--key", reference.keys)
    assert done.code == 3
    assert "purge.json is damaged" in done.sentence


@pytest.mark.parametrize("part", range(4))
def test_a_disk_that_is_full_at_any_moment(reference: Reference, tmp_path: Path, part: int) -> None:
    """Refused at each durable operation in turn: before the journal nothing has changed and nothing
    is left over, after it the same command finishes."""
    steps = reference.steps(tmp_path / "steps")
    journal = steps.index("link purge.json")
    for number in range(part, len(steps), 4):
        out = Path(shutil.copytree(reference.before, tmp_path / str(number)))
        left = iter(range(number, -1, -1))

        def refuse(_step: str, left: Iterator[int] = left) -> None:
            if next(left, None) == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with on_each_step(refuse), pytest.raises(StorageError, match="disk") as refused:
            purge_now(out / "shards", key=(reference.keys,))
        if number <= journal:
            assert state(out) == reference.state_before, steps[number]
            assert "nothing was changed" in str(refused.value)
        else:
            is_whole(out, reference)
            assert "run the same command again" in str(refused.value)
        purge_now(out / "shards", key=(reference.keys,))
        assert state(out) == reference.state_after, steps[number]
        shutil.rmtree(out)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_without_room_for_the_new_shards(
    reference: Reference, tmp_path: Path, workers: int
) -> None:
    out = Path(shutil.copytree(reference.before, tmp_path / "out"))
    words = words_for(reference, out / "shards", workers)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))

    done = webpairs(*words, before=limit)
    assert done.code == 2
    assert "is full (a purge needs room for the shards that it writes again)" in done.sentence
    assert state(out) == reference.state_before
    webpairs(*words).ok()
    assert state(out) == reference.state_after


def test_two_purges_at_once(reference: Reference, tmp_path: Path) -> None:
    shards = Path(shutil.copytree(reference.before / "shards", tmp_path / "alone"))
    before = state(shards)
    descriptor = os.open(shards, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        done = webpairs("purge", shards, "--key", reference.keys)
        assert done.code == 2
        assert "another purge is at work in" in done.sentence
        assert state(shards) == before
    finally:
        os.close(descriptor)
    webpairs("purge", shards, "--key", reference.keys).ok()


def test_a_run_that_is_at_work(reference: Reference, tmp_path: Path) -> None:
    out = Path(shutil.copytree(reference.before, tmp_path / "out"))
    lock = os.open(out / "run" / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = webpairs("purge", out / "shards", "--key", reference.keys)
    finally:
        os.close(lock)
    assert done.code == 2
    assert "another webpairs command is working in" in done.sentence
    assert state(out) == reference.state_before


BAD: list[tuple[str, int, str]] = [
    ("missing list", 2, "there is no list"),
    ("empty list", 2, "holds no entry"),
    ("malformed line", 2, "line 2, is no key: give 32 hex digits a line"),
    ("not utf-8", 2, "line 1, is not UTF-8"),
    ("no list", 2, "purge needs a list of what goes"),
    ("distance", 2, "must be a whole number from 0 to 16"),
    ("no folder", 3, "is no folder"),
    ("no shards", 3, "holds no manifest.json"),
    ("damaged tar", 3, "shard-000000.tar is not what the manifest says"),
    ("damaged sidecar", 3, "shard-000003.parquet is not what the manifest says"),
    ("another version", 3, "has schema 'shards/9'"),
    ("second folder", 3, "holds no manifest.json"),
]


@pytest.mark.parametrize(("what", "code", "sentence"), BAD)
def test_bad_input_is_one_sentence_and_changes_nothing(
    reference: Reference, tmp_path: Path, what: str, code: int, sentence: str
) -> None:
    shards = Path(shutil.copytree(reference.before / "shards", tmp_path / "shards"))
    bad = tmp_path / "bad.txt"
    bad.write_bytes({"empty list": b"# none\n", "not utf-8": b"caf\xe9\n"}.get(what, b"# a\nb\n"))
    words = ["purge", str(shards), "--key", reference.keys]
    if what in ("empty list", "malformed line", "not utf-8"):
        words += ["--key", str(bad)]
    elif what == "missing list":
        words += ["--url", str(tmp_path / "no.txt")]
    elif what == "no list":
        del words[2:]
    elif what == "distance":
        words += ["--phash-distance", "17"]
    elif what == "no folder":
        words[1] = str(bad)
    elif what == "no shards":
        words[1] = str(tmp_path)
    elif what == "second folder":
        words.insert(2, str(tmp_path))
    elif what == "another version":
        manifest = shards / "manifest.json"
        manifest.write_text(manifest.read_text().replace("shards/2", "shards/9"))
    else:
        name = "shard-000000.tar" if what == "damaged tar" else "shard-000003.parquet"
        data = bytearray((shards / name).read_bytes())
        data[-9] ^= 1
        (shards / name).write_bytes(data)
    before = state(tmp_path)
    done = webpairs(*words)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    assert sentence in done.err
    assert state(tmp_path) == before
