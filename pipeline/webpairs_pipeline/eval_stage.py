"""Stage `eval`: a trained model → its zero-shot accuracy; one unit for each labelled set."""

import logging
from pathlib import Path
from typing import Any

import msgspec

from webpairs_core.errors import TrainError
from webpairs_core.ledger import Stage
from webpairs_pipeline.run import Made, Run

log = logging.getLogger(__name__)


def run(run: Run, stage: Stage) -> Made:
    """Write OUT/models/NAME/eval. Raises RecipeError where a set of `eval.zeroshot` is no set."""
    model = run.out / "models" / run.recipe.name
    if not run.recipe.eval.zeroshot:
        log.info("eval: nothing to judge by; name folders of labelled images in eval.zeroshot")
        return Made(path=model, funnels=())
    return Made(path=model / "eval", funnels=(), info={"sets": _scores(run, stage, model)})


def _scores(run: Run, stage: Stage, model: Path) -> list[dict[str, Any]]:
    try:
        import torch

        from webpairs_trainer.checkpoints.ours import load_model
        from webpairs_trainer.evaluate.labelled import load_labelled
        from webpairs_trainer.evaluate.prompts import load_templates
        from webpairs_trainer.evaluate.zeroshot import Judge, zero_shot
    except ModuleNotFoundError as error:
        raise TrainError(
            f"eval needs {error.name}: `make train` installs it, or pip install webpairs[train]"
        ) from None
    section = run.recipe.eval
    templates = load_templates(section.templates)
    folders = [Path(text.replace("{out}", str(run.out))) for text in section.zeroshot]
    sets = [load_labelled(folder) for folder in folders]
    torch.set_num_threads(run.recipe.train.threads or run.workers)
    network, tokenizer, config = load_model(model)
    judge = Judge(model=network, tokenizer=tokenizer, config=config, batch_size=section.batch_size)
    scores = []
    for number, labelled in enumerate(sets):
        is_second = labelled.name in {earlier.name for earlier in sets[:number]}
        name = f"{labelled.name}-{number}" if is_second else labelled.name
        commit = stage.commit_of(f"set-{number:02d}")
        if commit is None:
            score = zero_shot(judge, labelled, templates)
            data = msgspec.json.format(msgspec.json.encode(score), indent=1)
            with stage.unit(f"set-{number:02d}") as unit:
                path = f"models/{run.recipe.name}/eval/{name}.json"
                unit.path(path).write_bytes(data + b"\n")
                commit = unit.commit(info=msgspec.json.decode(data))
        scores.append(commit.info)
    return scores
