"""What decides the scores of a run, besides its samples: the checkpoint's files and, where pictures
are compared with them, the evaluation sets. Every command asks, so nothing heavy is imported."""

from pathlib import Path
from typing import Any

from webpairs_core.errors import RecipeError
from webpairs_core.files import file_sha256
from webpairs_pipeline.evaluation_sets import set_facts
from webpairs_pipeline.recipe import Recipe
from webpairs_trainer.options import CHECKPOINT_FILES


def score_facts(recipe: Recipe) -> dict[str, Any]:
    """Empty where the recipe asks for no score.

    Raises RecipeError for a checkpoint that is no folder, and as `set_facts`.
    """
    if not recipe.is_scored:
        return {}
    folder = Path(recipe.score.checkpoint)
    if not folder.is_dir():
        raise RecipeError(
            f"score.checkpoint: there is no folder {folder}: name that of a finished model, like "
            "OUT/models/NAME"
        )
    files = [folder / name for name in CHECKPOINT_FILES]
    return {
        "files": {path.name: file_sha256(path) for path in files if path.is_file()},
        "sets": set_facts(recipe.decontaminate.sets) if recipe.is_compared else [],
        "is_compared": recipe.is_compared,
    }
