"""Stage `shard`: one unit for each shard of a plan, then one for what describes them all. With
`shards.validation` there are two plans, and a complete folder of each."""

from contextlib import suppress
from pathlib import Path

import msgspec
import pyarrow as pa

from webpairs_core.funnel import Funnel, merge
from webpairs_core.ledger import DONE, Commit, FileEntry, Stage
from webpairs_core.progress import Progress
from webpairs_core.schema import PLAN, open_part
from webpairs_pipeline.engine import run_units
from webpairs_pipeline.plan.stage import PLAN_PATH, VALIDATION_PATH
from webpairs_pipeline.recipe import recipe_dict, recipe_digest
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.stages import STAGES
from webpairs_shards.format.card import dataset_card, survey
from webpairs_shards.format.croissant import encode_croissant
from webpairs_shards.format.layout import CARD, CROISSANT, MANIFEST, SIZES, shard_stem
from webpairs_shards.format.manifest import Manifest, ShardEntry, encode_manifest, encode_sizes
from webpairs_shards.format.purged import purged_keys, purged_list
from webpairs_shards.write.plan import read_plan
from webpairs_shards.write.writer import SampleImages, ShardFiles, planned_samples, write_shard


class Side(msgspec.Struct, frozen=True):
    """One side of the split: a plan, and the folder that it becomes."""

    plan: str
    folder: str
    """Both relative to OUT."""
    name: str
    """What the dataset's name ends in."""
    units: str = ""
    """What the names of its units begin with."""

    def unit(self, stem: str) -> str:
        """The unit that writes a shard."""
        return f"{self.units}{stem}"

    @property
    def description(self) -> str:
        """The unit that writes manifest and card."""
        return f"{self.units}manifest"


SIDES = (
    Side(PLAN_PATH, "shards", ""),
    Side(VALIDATION_PATH, "validation", "-validation", "validation-"),
)


class ShardTask(msgspec.Struct, frozen=True):
    """One shard to write: all that a worker process needs."""

    stage: Stage
    side: Side
    number: int
    image_format: str

    @property
    def unit(self) -> str:
        """The name of the unit that writes it."""
        return self.side.unit(shard_stem(self.number))


def run(run: Run, stage: Stage) -> Made:
    """Write OUT/shards, and OUT/validation where there is a plan of it."""
    with suppress(OSError):  # emptied, when an earlier recipe held samples out
        (run.out / "validation").rmdir()
    planned = {entry.path: entry.rows for entry in run.ledger.outputs("plan", "plan/")}
    sides = [side for side in SIDES if side.plan in planned]
    tasks = {side: _tasks(run, stage, side) for side in sides}
    left = [task for some in tasks.values() for task in some if not stage.is_done(task.unit)]
    with Progress("shard", "samples", sum(planned[side.plan] for side in sides)) as progress:
        for n in run_units(write_one, left, run.workers):
            progress.add(n)
    funnels: list[Funnel] = []
    for side in sides:
        found = [stage.commit_of(task.unit) for task in tasks[side]]
        done = [commit for commit in found if commit is not None]
        funnels += [funnel for commit in done for funnel in commit.funnels]
        if not stage.is_done(side.description):
            _describe(run, stage, side, _manifest(run, side, done))
    return Made(path=run.out / "shards", funnels=(merge(funnels),), info=facts(stage))


def facts(stage: Stage) -> dict[str, int]:
    """What the report says of the shards that are committed."""
    first, validation = (
        [each for each in stage.commits() if each.unit.startswith(side.unit("shard-"))]
        for side in SIDES
    )
    tars = [file for each in first for file in each.files if file.path.endswith(".tar")]
    info = {
        "n_samples": sum(each.funnels[0].kept for each in first),
        "n_shards": len(tars),
        "bytes": sum(tar.bytes for tar in tars),
    }
    if validation:
        info["n_validation"] = sum(each.funnels[0].kept for each in validation)
    return info


def _tasks(run: Run, stage: Stage, side: Side) -> list[ShardTask]:
    with open_part(run.out / side.plan, PLAN) as plan:
        n_shards = plan.num_row_groups
    return [ShardTask(stage, side, n, run.recipe.image.format) for n in range(n_shards)]


def write_one(task: ShardTask) -> int:
    """Write and commit one shard; return its number of planned samples. What a purge has removed
    stays away, and a shard of which nothing is left has no files."""
    out = task.stage.root
    planned = read_plan(out / task.side.plan, task.number)
    n_planned: int = planned.num_rows
    keys = frozenset[bytes]().union(*(purged_keys(out / side.folder) for side in SIDES))
    plan = planned.filter(
        pa.array([key not in keys for key in planned["key"].to_pylist()], pa.bool_())
    )
    stem = f"{task.side.folder}/{shard_stem(task.number)}"
    tar, idx, parquet = (f"{stem}.{ending}" for ending in ("tar", "idx", "parquet"))
    with task.stage.unit(task.unit) as unit, SampleImages(out) as images:
        n = plan.num_rows
        if n:
            files = ShardFiles(unit.path(tar), unit.path(idx), unit.path(parquet))
            write_shard(files, planned_samples(plan, images), task.image_format)
            for path in (tar, idx, parquet):
                unit.rows(path, n)
        unit.commit(shard_funnel(n_planned, n))
    return n_planned


def shard_funnel(n_planned: int, n_kept: int) -> Funnel:
    """The funnel of a shard's unit."""
    purged = {"purged": n_planned - n_kept} if n_kept < n_planned else {}
    return Funnel("shard", "samples", n_planned, n_kept, purged)


def _manifest(run: Run, side: Side, commits: list[Commit]) -> Manifest:
    def entry(files: list[FileEntry]) -> ShardEntry:
        by_ending = {Path(file.path).suffix: file for file in files}
        tar = by_ending[".tar"]
        return ShardEntry(
            name=Path(tar.path).stem,
            samples=tar.rows,
            bytes=tar.bytes,
            sha256=tar.sha256,
            idx_sha256=by_ending[".idx"].sha256,
            parquet_sha256=by_ending[".parquet"].sha256,
        )

    return Manifest(
        name=f"{run.recipe.name}{side.name}",
        image_format=run.recipe.image.format,
        n_samples=sum(commit.funnels[0].kept for commit in commits),
        shards=[entry(commit.files) for commit in commits if commit.files],
        recipe_digest=recipe_digest(run.recipe),
        recipe=recipe_dict(run.recipe),
        purged=purged_list(run.out / side.folder),
    )


def _describe(run: Run, stage: Stage, side: Side, manifest: Manifest) -> None:
    folder = run.out / side.folder
    facts = survey([folder / f"{entry.name}.parquet" for entry in manifest.shards])
    documents = {
        MANIFEST: encode_manifest(manifest),
        SIZES: encode_sizes(manifest),
        CARD: dataset_card(manifest, facts, _funnels(run)),
        CROISSANT: encode_croissant(manifest),
    }
    with stage.unit(side.description) as unit:
        for name, data in documents.items():
            unit.path(f"{side.folder}/{name}").write_bytes(data)
        unit.commit()


def _funnels(run: Run) -> list[Funnel]:
    """The funnels of the stages before this one."""
    done = [run.ledger.stage(spec.name).commit_of(DONE) for spec in STAGES]
    funnels = [funnel for commit in done if commit for funnel in commit.funnels]
    return [funnel for funnel in funnels if funnel.stage not in ("shard", "train", "eval")]
