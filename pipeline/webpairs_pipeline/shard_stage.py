"""Stage `shard`: one unit for each shard of the plan, then one for what describes them all."""

from pathlib import Path

import msgspec

from webpairs_core.funnel import Funnel, merge
from webpairs_core.ledger import DONE, Commit, FileEntry, Stage
from webpairs_core.progress import Progress
from webpairs_core.schema import PLAN, open_part
from webpairs_pipeline.engine import run_units
from webpairs_pipeline.plan.stage import PLAN_PATH
from webpairs_pipeline.recipe import recipe_dict, recipe_digest
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.stages import STAGES
from webpairs_shards.format.card import dataset_card, survey
from webpairs_shards.format.croissant import encode_croissant
from webpairs_shards.format.layout import CARD, CROISSANT, MANIFEST, SIZES, shard_stem
from webpairs_shards.format.manifest import Manifest, ShardEntry, encode_manifest, encode_sizes
from webpairs_shards.write.plan import read_plan
from webpairs_shards.write.writer import SampleImages, ShardFiles, planned_samples, write_shard

_MANIFEST_UNIT = "manifest"


class ShardTask(msgspec.Struct, frozen=True):
    """One shard to write: all that a worker process needs."""

    stage: Stage
    number: int
    image_format: str


def run(run: Run, stage: Stage) -> Made:
    """Write OUT/shards."""
    with open_part(run.out / PLAN_PATH, PLAN) as plan:
        n_shards, n_samples = plan.num_row_groups, plan.metadata.num_rows
    image_format = run.recipe.image.format
    tasks = [
        ShardTask(stage, number, image_format)
        for number in range(n_shards)
        if not stage.is_done(shard_stem(number))
    ]
    with Progress("shard", "samples", n_samples) as progress:
        for n in run_units(write_one, tasks, run.workers):
            progress.add(n)
    commits = [stage.commit_of(shard_stem(number)) for number in range(n_shards)]
    done = [commit for commit in commits if commit is not None]
    manifest = _manifest(run, done)
    if not stage.is_done(_MANIFEST_UNIT):
        _describe(run, stage, manifest)
    return Made(
        path=run.out / "shards",
        funnels=(merge(funnel for commit in done for funnel in commit.funnels),),
        info={
            "n_samples": manifest.n_samples,
            "n_shards": len(manifest.shards),
            "bytes": sum(entry.bytes for entry in manifest.shards),
        },
    )


def write_one(task: ShardTask) -> int:
    """Write and commit one shard; return its number of samples."""
    stem = shard_stem(task.number)
    out = task.stage.root
    plan = read_plan(out / PLAN_PATH, task.number)
    tar, idx, parquet = (f"shards/{stem}.{ending}" for ending in ("tar", "idx", "parquet"))
    with task.stage.unit(stem) as unit, SampleImages(out) as images:
        files = ShardFiles(unit.path(tar), unit.path(idx), unit.path(parquet))
        n = write_shard(files, planned_samples(plan, images), task.image_format)
        for path in (tar, idx, parquet):
            unit.rows(path, n)
        unit.commit(Funnel("shard", "samples", n, n))
    return n


def _manifest(run: Run, commits: list[Commit]) -> Manifest:
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
        name=run.recipe.name,
        image_format=run.recipe.image.format,
        n_samples=sum(commit.funnels[0].kept for commit in commits),
        shards=[entry(commit.files) for commit in commits],
        recipe_digest=recipe_digest(run.recipe),
        recipe=recipe_dict(run.recipe),
    )


def _describe(run: Run, stage: Stage, manifest: Manifest) -> None:
    facts = survey([run.out / "shards" / f"{entry.name}.parquet" for entry in manifest.shards])
    documents = {
        MANIFEST: encode_manifest(manifest),
        SIZES: encode_sizes(manifest),
        CARD: dataset_card(manifest, facts, _funnels(run)),
        CROISSANT: encode_croissant(manifest),
    }
    with stage.unit(_MANIFEST_UNIT) as unit:
        for name, data in documents.items():
            unit.path(f"shards/{name}").write_bytes(data)
        unit.commit()


def _funnels(run: Run) -> list[Funnel]:
    """The funnels of the stages before this one."""
    done = [run.ledger.stage(spec.name).commit_of(DONE) for spec in STAGES]
    funnels = [funnel for commit in done if commit for funnel in commit.funnels]
    return [funnel for funnel in funnels if funnel.stage not in ("shard", "train", "eval")]
