"""Commits: first one wins, a crash at any step leaves a unit done or not done."""

from pathlib import Path

import pytest

from webpairs_core import files
from webpairs_core.errors import PartCorrupt, RecipeError, StorageError, WebpairsError
from webpairs_core.funnel import Funnel
from webpairs_core.ledger import DONE, Ledger, Stage


class Killed(BaseException):
    """Stands for a process that is gone: nothing catches it, but nothing after it runs either."""


def write_unit(stage: Stage, unit: str, text: str) -> None:
    with stage.unit(unit) as writer:
        for name in ("a", "b"):
            writer.path(f"made/{unit}.{name}").write_text(text)
            writer.rows(f"made/{unit}.{name}", 1)
        writer.commit(Funnel("filter", "pairs", 3, 2, {"language": 1}), info={"by": text})


def finish(stage: Stage) -> None:
    with stage.unit(DONE) as writer:
        writer.commit()


def test_a_unit_is_committed_with_its_files(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    stage = ledger.open_stage("filter", "f1")
    write_unit(stage, "u1", "one")
    commit = stage.commit_of("u1")
    assert commit is not None
    assert [entry.path for entry in commit.files] == ["made/u1.a", "made/u1.b"]
    assert commit.files[0].sha256 == files.file_sha256(tmp_path / "made/u1.a")
    assert (tmp_path / "made/u1.b").read_text() == "one"
    assert commit.funnels[0].rejected == {"language": 1}


def test_the_first_commit_wins_and_the_loser_leaves_nothing(tmp_path: Path) -> None:
    stage = Ledger(tmp_path).open_stage("filter", "f1")
    with stage.unit("u1") as slow:
        slow.path("made/u1.a").write_text("slow")
        write_unit(stage, "u1", "fast")
        assert slow.commit().info == {"by": "fast"}
    assert (tmp_path / "made/u1.a").read_text() == "fast"
    assert list(stage.scratch.iterdir()) == []


def test_an_error_in_a_unit_leaves_nothing(tmp_path: Path) -> None:
    stage = Ledger(tmp_path).open_stage("filter", "f1")
    with pytest.raises(ZeroDivisionError), stage.unit("u1") as writer:
        writer.path("made/u1.a").write_text(f"half {1 // 0}")
    assert not (tmp_path / "made").exists()
    assert not stage.is_done("u1")
    assert list(stage.scratch.iterdir()) == []


def durable_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    steps: list[str] = []
    monkeypatch.setattr(files, "on_step", steps.append)
    write_unit(Ledger(tmp_path / "count").open_stage("filter", "f1"), "u1", "one")
    return steps


def test_a_kill_between_any_two_steps_leaves_the_unit_done_or_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_steps = len(durable_steps(tmp_path, monkeypatch))
    assert n_steps >= 6  # three fsyncs, the link, two renames
    outcomes = set()
    for stop_at in range(n_steps):
        root = tmp_path / str(stop_at)
        stage = Ledger(root).open_stage("filter", "f1")
        seen: list[str] = []

        def stop(step: str, seen: list[str] = seen, stop_at: int = stop_at) -> None:
            if len(seen) >= stop_at:
                raise Killed(step)
            seen.append(step)

        monkeypatch.setattr(files, "on_step", stop)
        with pytest.raises(Killed):
            write_unit(stage, "u1", "one")
        monkeypatch.setattr(files, "on_step", lambda step: None)

        stage = Ledger(root).open_stage("filter", "f1")
        done = stage.is_done("u1")
        outcomes.add(done)
        present = [(root / f"made/u1.{name}").exists() for name in ("a", "b")]
        assert present == [done, done], f"half a unit after a kill at step {stop_at}"
        if not done:
            write_unit(stage, "u1", "one")
        assert (root / "made/u1.a").read_text() == "one"
        assert not stage.scratch.exists() or list(stage.scratch.iterdir()) == []
    assert outcomes == {True, False}


def test_another_fingerprint_reopens_the_stage(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    stage = ledger.open_stage("filter", "f1")
    stage.work.mkdir(parents=True)
    write_unit(stage, "u1", "one")
    assert ledger.open_stage("filter", "f1").is_done("u1")
    assert stage.work.exists()
    again = ledger.open_stage("filter", "f2")
    assert not again.is_done("u1")
    assert not (tmp_path / "made/u1.a").exists()
    assert not stage.work.exists()


def test_a_deleted_file_reopens_its_unit_and_the_stage(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    stage = ledger.open_stage("filter", "f1")
    write_unit(stage, "u1", "one")
    write_unit(stage, "u2", "two")
    finish(stage)
    (tmp_path / "made/u1.a").unlink()
    stage = ledger.open_stage("filter", "f1")
    assert [stage.is_done(unit) for unit in ("u1", "u2", DONE)] == [False, True, False]


def test_outputs_need_a_finished_stage_and_whole_files(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    stage = ledger.open_stage("filter", "f1")
    write_unit(stage, "u1", "one")
    with pytest.raises(RecipeError, match="no finished filter stage"):
        ledger.outputs("filter")
    finish(stage)
    assert [entry.path for entry in ledger.outputs("filter", "made/u1.a")] == ["made/u1.a"]
    before = ledger.stage_digest("filter")
    (tmp_path / "made/u1.a").write_text("on")
    with pytest.raises(PartCorrupt, match="has 2 bytes where the ledger says 3"):
        ledger.outputs("filter")
    (tmp_path / "made/u1.a").write_text("one")
    assert ledger.stage_digest("filter") == before


def test_a_funnel_that_does_not_add_up_is_never_committed(tmp_path: Path) -> None:
    stage = Ledger(tmp_path).open_stage("filter", "f1")
    with pytest.raises(WebpairsError, match="does not add up"), stage.unit("u1") as writer:
        writer.commit(Funnel("filter", "pairs", 3, 1, {"language": 1}))
    assert not stage.is_done("u1")


def test_a_damaged_commit_record_is_one_sentence(tmp_path: Path) -> None:
    stage = Ledger(tmp_path).open_stage("filter", "f1")
    write_unit(stage, "u1", "one")
    (stage.folder / "u1.json").write_text("{")
    with pytest.raises(PartCorrupt, match=r"u1\.json is not a commit record"):
        stage.commits()


def test_out_is_locked_for_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webpairs_core.ledger.LOCK_WAIT_S", 0.1)
    ledger = Ledger(tmp_path)
    with (
        ledger.lock(),
        pytest.raises(StorageError, match="another webpairs command"),
        Ledger(tmp_path).lock(),
    ):
        pass
    with ledger.lock():
        pass


def test_a_unit_cannot_write_outside_out(tmp_path: Path) -> None:
    stage = Ledger(tmp_path).open_stage("filter", "f1")
    with stage.unit("u1") as writer:
        for bad in ("../evil", "/etc/evil"):
            with pytest.raises(ValueError, match="not a path inside OUT"):
                writer.path(bad)


def test_a_place_where_nothing_can_be_made_is_one_sentence() -> None:
    ledger = Ledger(Path("/proc/webpairs"))
    with pytest.raises(StorageError, match="cannot be made: choose another place"), ledger.lock():
        pass
