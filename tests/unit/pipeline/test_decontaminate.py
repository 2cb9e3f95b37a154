"""Decontamination: what shows a picture of an evaluation set goes, and a list says near what."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from image_files import saved
from samples_fixture import build_samples, make_run
from webpairs_core.errors import RecipeError
from webpairs_core.schema import DECONTAMINATED, PLAN, REJECTS, SAMPLES, read_table
from webpairs_pipeline.evaluation_sets import EvalTask, read_pictures, set_files
from webpairs_pipeline.report import info_lines
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.stages import STAGES, fingerprint, run_stage
from webpairs_shards.image.process import process_image
from webpairs_shards.options import ImageSection
from webpairs_shards.write.writer import SampleImages

PLAN_STAGE = next(spec for spec in STAGES if spec.name == "plan")
NO_DEDUP = {"near_duplicate_distance": -1, "same_bytes": False}


def plan(run: Run) -> tuple[Made, set[bytes], list[dict[str, Any]], list[dict[str, Any]]]:
    """Made, the keys that stay, the rejects, the list."""
    made = run_stage(PLAN_STAGE, run)
    kept = read_table(run.out / "plan/plan.parquet", PLAN)["key"].to_pylist()
    rejects = read_table(run.out / "rejects/plan/part-00000.parquet", REJECTS).to_pylist()
    listed = read_table(run.out / "plan/decontaminated.parquet", DECONTAMINATED).to_pylist()
    assert made.funnels[0].rows_in == len(kept) + len(rejects)
    return made, set(kept), rejects, listed


def stored(out: Path) -> dict[bytes, tuple[dict[str, Any], bytes]]:
    """The sample row and the stored picture of each key."""
    tables = [read_table(path, SAMPLES) for path in sorted(out.glob("samples/*.parquet"))]
    rows = [row for table in tables for row in table.to_pylist() if row["outcome"] == "ok"]
    with SampleImages(out) as images:
        return {
            row["key"]: (row, images.read(row["tar"], row["offset"], row["length"])) for row in rows
        }


def copy_of(data: bytes, kind: str, side: int) -> bytes:
    """The picture in another size and file format."""
    with Image.open(io.BytesIO(data)) as picture:
        return saved(picture.resize((side, side), Image.Resampling.LANCZOS), kind)


def picture_named(out: Path, number: int) -> tuple[bytes, bytes]:
    """Key and stored picture of the fixture's sample `number`."""
    for key, (row, data) in stored(out).items():
        if row["url"].endswith(f"/{number}.jpg"):
            return key, data
    raise AssertionError(number)


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, dict[int, str]]:
    """A folder and a tar of copies of the samples 3, 7 and 11, of strangers and of damaged files;
    and the names of the copies."""
    samples = build_samples(tmp_path / "for-sets", 20)
    copies = {n: picture_named(samples, n)[1] for n in (3, 7, 11)}
    folder = tmp_path / "sets"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/er/three.PNG").write_bytes(copy_of(copies[3], "PNG", 250))
    (folder / "seven.webp").write_bytes(copy_of(copies[7], "WEBP", 48))
    (folder / "damaged.jpg").write_bytes(copies[7][:200])
    (folder / "labels.txt").write_text("no picture")
    flat = Image.linear_gradient("L").convert("RGB")
    with tarfile.open(folder / "shard-0.tar", "w") as tar:
        for name, data in {
            "000.jpg": saved(flat, "JPEG"),
            "000.json": json.dumps({"key": 0}).encode(),
            "001.jpg": copy_of(copies[11], "JPEG", 90),
            "002.png": b"<html>not found</html>",
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    names = {3: "deep/er/three.PNG", 7: "seven.webp", 11: "shard-0.tar:001.jpg"}
    return folder, {n: f"{folder}/{name}" for n, name in names.items()}


def test_copies_in_folders_and_tars_go_and_nothing_else(
    tmp_path: Path, sets: tuple[Path, dict[int, str]]
) -> None:
    folder, names = sets
    out = build_samples(tmp_path / "out", 20)
    run = make_run(out, dedup=NO_DEDUP, decontaminate={"sets": [str(folder)]})
    made, kept, rejects, listed = plan(run)
    gone = {picture_named(out, n)[0]: name for n, name in names.items()}
    assert {row["key"]: row["match"] for row in listed} == gone
    assert {row["key"] for row in rejects} == set(gone)
    assert kept == set(stored(out)) - set(gone)
    assert {row["reason"] for row in [*rejects, *listed]} == {"eval_near_duplicate"}
    assert made.funnels[0].rejected == {"eval_near_duplicate": 3}
    assert made.info["decontaminate"] == {"n_pictures": 4, "n_damaged": 2, "n_dropped": 3}
    assert (
        "evaluation sets of 4 pictures (2 cannot be decoded): 3 samples show one of them, see "
        "plan/decontaminated.parquet"
    ) in info_lines("plan", made.info)
    for row in listed:
        sample, _ = stored(out)[row["key"]]
        (shown,) = (p for p in pictures([folder]) if p[0] == row["match"])
        assert row["distance"] == (sample["phash"] ^ shown[1]).bit_count() <= 4
        assert (row["url"], row["text"]) == (sample["url"], sample["text"])
        assert row["similarity"] == -1


def pictures(sets: list[Path]) -> list[tuple[str, int]]:
    files = tuple(str(path) for path in set_files([str(path) for path in sets]))
    found = read_pictures(EvalTask(files, ImageSection()))
    return [(picture.name, picture.phash) for picture in found]


def test_neither_parts_nor_workers_change_anything(
    tmp_path: Path, sets: tuple[Path, dict[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = sets
    found = []
    for n_parts, workers in ((1, 1), (3, 2)):
        monkeypatch.setattr("webpairs_pipeline.plan.decontaminate._FILES_PER_TASK", workers)
        out = build_samples(tmp_path / f"out-{n_parts}", 20, n_parts=n_parts)
        wanted = {"sets": [str(folder)]}
        run = make_run(out, workers=workers, dedup=NO_DEDUP, decontaminate=wanted)
        made, kept, rejects, listed = plan(run)
        found.append((made.info, kept, rejects, listed))
    assert found[0] == found[1]


def test_the_nearest_picture_is_named_and_a_distance_of_nothing_wants_equal_hashes(
    tmp_path: Path,
) -> None:
    out = build_samples(tmp_path / "out", 8)
    key, data = picture_named(out, 5)
    folder = tmp_path / "set"
    folder.mkdir()
    phash = stored(out)[key][0]["phash"]
    sides = {side: copy_of(data, "PNG", side) for side in range(12, 80)}
    by_distance = {
        (process_image(copy, ImageSection(min_side_px=1)).phash ^ phash).bit_count(): side
        for side, copy in sides.items()
    }
    assert 0 in by_distance
    far = next(d for d in (2, 4) if d in by_distance)
    (folder / "a-far.png").write_bytes(sides[by_distance[far]])
    for distance, n in ((far, 1), (far - 1, 0)):
        wanted = {"sets": [str(folder)], "near_duplicate_distance": distance}
        listed = plan(make_run(out, dedup=NO_DEDUP, decontaminate=wanted))[3]
        assert [row["distance"] for row in listed] == [far] * n
    (folder / "b-near.png").write_bytes(sides[by_distance[0]])
    wanted = {"sets": [str(folder)]}
    (row,) = plan(make_run(out, dedup=NO_DEDUP, decontaminate=wanted))[3]
    assert (row["match"], row["distance"]) == (f"{folder}/b-near.png", 0)


def test_bounds_of_the_recipe_do_not_spare_small_pictures(tmp_path: Path) -> None:
    out = build_samples(tmp_path / "out", 6)
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "small.jpg").write_bytes(copy_of(picture_named(out, 2)[1], "JPEG", 32))
    image = {"min_side_px": 500, "max_aspect": 1.0}
    run = make_run(out, dedup=NO_DEDUP, image=image, decontaminate={"sets": [str(folder)]})
    assert len(plan(run)[3]) == 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "there is no"),
        (lambda path: path.mkdir(), "holds no picture"),
        (lambda path: path.write_text("text"), "holds no picture"),
    ],
)
def test_sets_without_a_picture_are_a_mistake_of_the_recipe(
    tmp_path: Path, make: Any, says: str
) -> None:
    out = build_samples(tmp_path / "out", 4)
    make(tmp_path / "set")
    run = make_run(out, decontaminate={"sets": [str(tmp_path / "set")]})
    with pytest.raises(RecipeError, match=says):
        run_stage(PLAN_STAGE, run)


@pytest.mark.parametrize(
    ("name", "says"), [("a.jpg", "can be decoded"), ("a.tar", r"a\.tar cannot be read")]
)
def test_sets_of_nothing_but_damage_are_one_too(tmp_path: Path, name: str, says: str) -> None:
    out = build_samples(tmp_path / "out", 4)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_bytes(b"damaged" * 200)
    run = make_run(out, decontaminate={"sets": [str(tmp_path / "set")]})
    with pytest.raises(RecipeError, match=says):
        run_stage(PLAN_STAGE, run)
    assert not (out / "plan").exists()


def test_a_changed_set_plans_anew_and_fetches_nothing(tmp_path: Path) -> None:
    out = build_samples(tmp_path / "out", 4)
    folder = tmp_path / "set"
    folder.mkdir()
    marks = []
    for n in (1, 2):
        (folder / f"{n}.jpg").write_bytes(picture_named(out, n)[1])
        run = make_run(out, decontaminate={"sets": [str(folder)]})
        marks.append([fingerprint(spec, run) for spec in (*STAGES[:4], PLAN_STAGE)])
    assert marks[0][:4] == marks[1][:4]
    assert marks[0][4] != marks[1][4]
