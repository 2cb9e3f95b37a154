"""Stage `score`: what a CLIP checkpoint says of each fetched image. Scores are stored here and
judged by the plan, so that another threshold costs no second look at the pictures.

One unit for each part of samples, one after the other: torch has the threads.
"""

import heapq
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from webpairs_core.errors import TrainError
from webpairs_core.funnel import Funnel, merge
from webpairs_core.keys import shuffle_rank
from webpairs_core.ledger import DONE, Stage
from webpairs_core.progress import Progress
from webpairs_core.records import Outcome
from webpairs_core.schema import SAMPLES, SCORES, read_part, write_part
from webpairs_pipeline.evaluation_sets import EvalTask, no_picture, read_pictures, set_files
from webpairs_pipeline.run import Made, Run

if TYPE_CHECKING:
    from webpairs_shards.write.writer import SampleImages
    from webpairs_trainer.embed import Embedder, Vectors

SCORES_FOLDER = "scores/"
_COLUMNS = ("key", "text", "tar", "offset", "length")


class _Shown(NamedTuple):
    """The pictures of the evaluation sets, by name."""

    names: list[str]
    vectors: "Vectors"


class _Scorer(NamedTuple):
    run: Run
    embedder: "Embedder"
    shown: _Shown | None
    wanted: frozenset[bytes] | None
    """The keys that `--limit` leaves; None for all."""


def run(run: Run, stage: Stage) -> Made:
    """Write OUT/scores, or nothing where the recipe asks for no score.

    Raises TrainError where torch is not installed or the checkpoint is of no use, RecipeError for
    evaluation sets without a picture.
    """
    if not run.recipe.is_scored:
        return Made(path=run.out, funnels=())
    entries = run.ledger.outputs("fetch", "samples/")
    parts = [run.out / entry.path for entry in entries if entry.path.endswith(".parquet")]
    left = [part for part in parts if not stage.is_done(part.stem)]
    if left:
        scorer = _scorer(run, parts)
        with Progress("score", "samples") as progress:
            for part in left:
                progress.add(_score_part(scorer, stage, part))
    commits = [commit for commit in stage.commits() if commit.unit != DONE]
    funnels = [funnel for commit in commits for funnel in commit.funnels]
    funnel = merge([Funnel("score", "samples", 0, 0), *funnels])
    return Made(path=run.out / SCORES_FOLDER, funnels=(funnel,))


def _scorer(run: Run, parts: list[Path]) -> _Scorer:
    try:
        import torch

        from webpairs_trainer.embed import load_embedder
    except ModuleNotFoundError as error:
        raise TrainError(
            f"scoring needs {error.name}: `make train` installs it, or pip install webpairs[train]"
        ) from None
    torch.set_num_threads(run.workers)
    section = run.recipe.score
    embedder = load_embedder(Path(section.checkpoint), section.batch_size)
    shown = _shown(run, embedder) if run.recipe.is_compared else None
    return _Scorer(run, embedder, shown, _wanted(run, parts))


def _wanted(run: Run, parts: list[Path]) -> frozenset[bytes] | None:
    """Those that the plan will take (`plan.database`)."""
    if run.limit is None:
        return None
    keys = (row["key"] for part in parts for row in _fetched(part))
    seed = run.recipe.seed
    return frozenset(heapq.nsmallest(run.limit, keys, lambda key: shuffle_rank(seed, key)))


def _fetched(part: Path) -> Iterator[dict[str, Any]]:
    for batch in read_part(part, SAMPLES):
        table = batch.select(["outcome", *_COLUMNS])
        for row in table.to_pylist():
            if row["outcome"] == Outcome.OK:
                yield row


def _shown(run: Run, embedder: "Embedder") -> _Shown:
    """Embeds the pictures as a shard would store them."""
    sets = run.recipe.decontaminate.sets
    files = tuple(str(path) for path in set_files(sets))
    pictures = (p for p in read_pictures(EvalTask(files, run.recipe.image)) if p.data)
    names: list[str] = []
    blocks = []
    with Progress("score", "pictures of evaluation sets") as progress:
        for some in _groups(pictures, embedder.batch_size):
            names += [picture.name for picture in some]
            blocks.append(embedder.pictures([picture.data for picture in some]))
            progress.add(len(some))
    if not names:
        raise no_picture(sets)
    order = sorted(range(len(names)), key=names.__getitem__)
    return _Shown([names[i] for i in order], np.concatenate(blocks)[order])


def _score_part(scorer: _Scorer, stage: Stage, part: Path) -> int:
    """Score one part and commit it; return how many images it has."""
    # Here because webdataset, which it brings, imports torch where torch is installed.
    from webpairs_shards.write.writer import SampleImages

    path = f"{SCORES_FOLDER}{part.name}"
    rows = (r for r in _fetched(part) if scorer.wanted is None or r["key"] in scorer.wanted)
    with stage.unit(part.stem) as unit, SampleImages(scorer.run.out) as images:
        groups = _groups(rows, scorer.embedder.batch_size)
        n = write_part(unit.path(path), (_scores(scorer, images, g) for g in groups), SCORES)
        unit.rows(path, n)
        unit.commit(Funnel("score", "samples", n, n))
    return n


def _scores(scorer: _Scorer, images: "SampleImages", rows: list[dict[str, Any]]) -> pa.Table:
    """NaN for an image that a blocklist has erased since it was fetched."""
    encoded = [images.read(row["tar"], row["offset"], row["length"]) for row in rows]
    vectors = scorer.embedder.pictures(encoded)
    texts = scorer.embedder.texts([row["text"] for row in rows])
    nearest, cosine = [""] * len(rows), np.full(len(rows), -1, np.float32)
    if scorer.shown is not None:
        cosines = vectors @ scorer.shown.vectors.T
        is_sound = ~np.isnan(cosines[:, 0])
        at = cosines.argmax(axis=1)
        cosine = np.where(is_sound, cosines[np.arange(len(rows)), at], -1)
        nearest = [
            scorer.shown.names[i] if is_one else "" for i, is_one in zip(at, is_sound, strict=True)
        ]
    columns = {
        "key": [row["key"] for row in rows],
        "similarity": pa.array((vectors * texts).sum(axis=1), pa.float32()),
        "eval_similarity": pa.array(cosine, pa.float32()),
        "eval_match": pa.array(nearest, pa.string()),
    }
    return pa.table(columns)


def _groups(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while some := list(islice(rows, size)):
        yield some
