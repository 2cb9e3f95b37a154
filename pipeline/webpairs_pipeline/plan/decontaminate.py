"""Step `decontaminate`: samples that show a picture of an evaluation set, with a list of what went
and why."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webpairs_core.progress import Progress
from webpairs_core.schema import DECONTAMINATED, write_part
from webpairs_filters.duplicates.near import nearest_within
from webpairs_pipeline.engine import run_units
from webpairs_pipeline.evaluation_sets import EvalTask, no_picture, read_pictures, set_files
from webpairs_pipeline.plan.database import Work, batches, drop
from webpairs_pipeline.run import Run

LIST_PATH = "plan/decontaminated.parquet"
_FILES_PER_TASK = 256


def run(work: Work) -> dict[str, Any]:
    """Drop them. Returns how many pictures the sets have, how many of them cannot be decoded, and
    how many samples went.

    Raises RecipeError for sets that are not there or hold no picture.
    """
    section = work.run.recipe.decontaminate
    if not section.sets:
        return {}
    facts = {}
    work.db.execute("CREATE TABLE shown (rank BIGINT, match VARCHAR, distance INT)")
    if section.near_duplicate_distance >= 0:
        facts = _drop_near(work, section.near_duplicate_distance)
    if section.min_similarity > 0:
        _drop_similar(work, section.min_similarity)
    n_dropped = write_part(work.unit.path(LIST_PATH), _list(work), DECONTAMINATED)
    work.unit.rows(LIST_PATH, n_dropped)
    return {"decontaminate": facts | {"n_dropped": n_dropped}}


def _drop_near(work: Work, distance: int) -> dict[str, int]:
    names, phashes, n_damaged = _hashed(work.run)
    rows = work.db.execute("SELECT rank, phash FROM left_over ORDER BY rank").fetchnumpy()
    ranks, theirs = np.asarray(rows["rank"]), np.asarray(rows["phash"])
    found = nearest_within(phashes, theirs, distance)
    near = np.flatnonzero(found >= 0)
    nearest = found[near]
    apart = np.bitwise_count(phashes[nearest] ^ theirs[near])
    shown = {"rank": ranks[near], "match": [names[i] for i in nearest], "distance": apart}
    _drop(work, pa.table(shown), "eval_near_duplicate")
    return {"n_pictures": len(names), "n_damaged": n_damaged}


def _drop_similar(work: Work, min_similarity: float) -> None:
    rows = work.db.sql(
        "SELECT rank, eval_match AS match, -1 AS distance FROM left_over "
        "WHERE eval_similarity >= ?",
        params=[min_similarity],
    )
    _drop(work, rows.to_arrow_table(), "eval_similar")


def _drop(work: Work, shown: pa.Table, reason: str) -> None:
    drop(work.db, shown.select(["rank"]).append_column("reason", pa.repeat(reason, len(shown))))
    work.db.register("found", shown)
    work.db.execute("INSERT INTO shown SELECT rank, match, distance FROM found")
    work.db.unregister("found")


def _hashed(run: Run) -> tuple[list[str], npt.NDArray[np.uint64], int]:
    """Names and hashes of the sets' pictures, by name, and how many have none."""
    sets = run.recipe.decontaminate.sets
    files = [str(path) for path in set_files(sets)]
    tasks = [
        EvalTask(tuple(files[i : i + _FILES_PER_TASK]), run.recipe.image)
        for i in range(0, len(files), _FILES_PER_TASK)
    ]
    pictures: list[tuple[str, int]] = []
    n_damaged = 0
    with Progress("plan", "files of evaluation sets", len(files)) as progress:
        for n_files, sound, n_unsound in run_units(hash_pictures, tasks, run.workers):
            pictures += sound
            n_damaged += n_unsound
            progress.add(n_files)
    if not pictures:
        raise no_picture(sets)
    pictures.sort()
    hashes = np.array([phash for _, phash in pictures], np.uint64)
    return [name for name, _ in pictures], hashes, n_damaged


def hash_pictures(task: EvalTask) -> tuple[int, list[tuple[str, int]], int]:
    """How many files these are, (name, hash) of each picture that can be decoded, and how many
    cannot. Raises as `read_pictures`."""
    sound = []
    n_damaged = 0
    for picture in read_pictures(task):
        if picture.data:
            sound.append((picture.name, picture.phash))
        else:
            n_damaged += 1
    return len(task.files), sound, n_damaged


def _list(work: Work) -> Iterator[pa.RecordBatch]:
    rows = work.db.sql(
        """
        SELECT key, url, text, reason, match, distance, eval_similarity AS similarity
        FROM shown JOIN dropped USING (rank) JOIN samples USING (rank)
        ORDER BY key
        """
    )
    yield from batches(rows)
