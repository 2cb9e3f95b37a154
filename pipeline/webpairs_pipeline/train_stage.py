"""Stage `train`: shards → a CLIP model, its metrics and its curve; one unit, as it is one model."""

from webpairs_core.errors import TrainError
from webpairs_core.funnel import Funnel
from webpairs_core.ledger import Stage
from webpairs_pipeline.run import Made, Run

_UNIT = "model"


def run(run: Run, stage: Stage) -> Made:
    """Write OUT/models/NAME, going on from the last checkpoint. `--limit N` stops after N steps.

    Raises TrainError where torch is not installed or the shards cannot train a model.
    """
    commit = stage.commit_of(_UNIT)
    if commit is None:
        _train(run, stage)
        commit = stage.commit_of(_UNIT)
    assert commit is not None
    return Made(
        path=run.out / "models" / run.recipe.name,
        funnels=tuple(commit.funnels),
        info=commit.info,
    )


def _train(run: Run, stage: Stage) -> None:
    try:
        from webpairs_trainer.train.loop import TrainJob, model_files, train
    except ModuleNotFoundError as error:
        raise TrainError(
            f"training needs {error.name}: `make train` installs it, or pip install webpairs[train]"
        ) from None
    name = run.recipe.name
    run.ledger.outputs("shard", "shards/")  # all there and whole, or an error that names the file
    trained = train(
        TrainJob(
            shards=run.out / "shards",
            work=stage.work,
            section=run.recipe.train,
            seed=run.recipe.seed,
            threads=run.workers,
            max_steps=run.limit,
        )
    )
    last = trained.metrics[-1]
    info = {
        "steps": last.step,
        "epochs": last.epoch,
        "loss": round(last.loss, 4),
        "accuracy": round(last.accuracy, 4),
        "parameters": sum(p.numel() for p in trained.model.parameters()),
    }
    rejected = {"corrupt": last.n_broken} if last.n_broken else {}
    seen = Funnel("train", "samples seen", last.samples + last.n_broken, last.samples, rejected)
    with stage.unit(_UNIT) as unit:
        for file, data in model_files(trained, name).items():
            unit.path(f"models/{name}/{file}").write_bytes(data)
        unit.commit(seen, info=info)
