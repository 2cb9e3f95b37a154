"""One TOML file is the whole configuration. Decoded strictly: a misspelt key is an error that names
the place and the nearest spelling."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, inspect

from webpairs_core.errors import RecipeError
from webpairs_core.keys import digest
from webpairs_crawler.options import CrawlSection, FetchSection
from webpairs_filters.base import PairFilter, SampleFilter
from webpairs_filters.catalog import Filter, OfPairs, OfSamples
from webpairs_filters.image.picture import Similarity
from webpairs_filters.options import (
    BalanceSection,
    BlocklistSection,
    DecontaminateSection,
    DedupSection,
)
from webpairs_filters.preset import load_preset, merge_into
from webpairs_shards.options import ImageSection, ShardsSection
from webpairs_trainer.options import EvalSection, ScoreSection, TrainSection


class ServeSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A web of our own on loopback, up while pages and images are fetched. For demos and tests."""

    web: Literal["none", "demo", "folders", "gallery"] = "none"
    """demo: the generated practice web; folders: each sub-folder of `path` is a host of its own;
    gallery: the images of `path` on pages, captioned by `path`/captions.jsonl."""
    path: str = ""
    port: Annotated[int, Meta(ge=1, le=65535)] = 8471
    """Hosts are 127.0.0.2, 127.0.0.3 … on this one port: URLs, and so keys, stay the same."""
    pages: Annotated[int, Meta(ge=20)] = 400
    """Size of the demo web."""
    seed: Annotated[int, Meta(ge=0)] = 0
    """Decides all that is drawn by lot in the demo web."""


class EngineSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where units run."""

    kind: Literal["local"] = "local"


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole run. A section that the file leaves out has its defaults."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    preset: str = ""
    """A published rule set, which fills in what the recipe does not say itself; `webpairs show
    preset` lists them."""
    applied_preset: str = ""
    """Written by webpairs in place of `preset`, once its rules stand in the recipe."""
    serve: ServeSection = ServeSection()
    crawl: CrawlSection = CrawlSection()
    filters: tuple[Filter, ...] = ()
    blocklist: BlocklistSection = BlocklistSection()
    dedup: DedupSection = DedupSection()
    decontaminate: DecontaminateSection = DecontaminateSection()
    balance: BalanceSection = BalanceSection()
    fetch: FetchSection = FetchSection()
    image: ImageSection = ImageSection()
    score: ScoreSection = ScoreSection()
    shards: ShardsSection = ShardsSection()
    train: TrainSection = TrainSection()
    eval: EvalSection = EvalSection()
    engine: EngineSection = EngineSection()

    @property
    def pair_filters(self) -> tuple[OfPairs, ...]:
        """Those that judge before the fetch, in order."""
        return tuple(each for each in self.filters if isinstance(each, PairFilter))

    @property
    def sample_filters(self) -> tuple[OfSamples, ...]:
        """Those that judge after it, in order."""
        return tuple(each for each in self.filters if isinstance(each, SampleFilter))

    @property
    def is_compared(self) -> bool:
        """Whether samples are held against the evaluation sets by a CLIP model."""
        return bool(self.decontaminate.sets) and self.decontaminate.min_similarity > 0

    @property
    def is_scored(self) -> bool:
        """Whether anything asks for what `[score]` makes."""
        is_filtered = any(isinstance(each, Similarity) for each in self.filters)
        return is_filtered or self.is_compared


def load_recipe(path: Path, overrides: list[str]) -> Recipe:
    """Read a recipe and apply `section.key=value` overrides (values as in TOML; a bare word is a
    string).

    Raises RecipeError with file, place and nearest spelling.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"there is no recipe {path}; recipes/ holds some to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from None
    return recipe_from(raw, overrides, str(path))


def recipe_from(raw: dict[str, Any], overrides: list[str], name: str) -> Recipe:
    """A recipe from its parsed form (which is changed), e.g. the one that a manifest holds; `name`
    says in errors where it stood. Raises RecipeError as `load_recipe`.
    """
    for override in overrides:
        _override(raw, override)
    preset = raw.pop("preset", "")
    if not isinstance(preset, str):
        raise RecipeError(f'{name}: preset must be one name, as in preset = "datacomp-basic"')
    if preset:
        found = load_preset(preset)
        merge_into(raw, found)
        raw["applied_preset"] = f"{preset} {found.version}"
    try:
        recipe = msgspec.convert(raw, Recipe, strict=False)
    except msgspec.ValidationError as error:
        raise RecipeError(f"{name}: {_explain(str(error))}") from None
    if recipe.is_scored and not recipe.score.checkpoint:
        asks = "decontaminate.min_similarity" if recipe.is_compared else "the filter 'similarity'"
        raise RecipeError(
            f"{name}: {asks} needs a CLIP model: name the folder of its checkpoint as checkpoint "
            "in [score]"
        )
    return recipe


def recipe_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe in full, defaults included, as JSON-like data."""
    built: dict[str, Any] = msgspec.to_builtins(recipe)
    return built


def recipe_digest(recipe: Recipe) -> str:
    """The digest that names a dataset made by this recipe (64 hex)."""
    return digest(recipe_dict(recipe))


def _override(raw: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set takes section.key=value, not {override!r}")
    try:
        parsed = tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        parsed = value
    place: Any = raw
    *parents, last = key.strip().split(".")
    for name in parents:
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise RecipeError(
                f"--set {key}: only section.key=value can be set, {name} is no section"
            )
    place[last] = parsed


def _explain(message: str) -> str:
    """msgspec's sentence, plus the nearest spelling of an unknown key or filter name."""
    unknown = re.search(r"unknown field `([^`]*)`(?: - at `\$\.?([^`]*)`)?", message)
    if unknown:
        key, place = unknown.group(1), unknown.group(2) or ""
        return f"unknown key {key!r}{_at(place)}{_nearest(key, _keys_at(place))}"
    wrong = re.search(r"Invalid value '([^']*)' - at `\$\.(filters\[[^`]*)`", message)
    if wrong:
        names = _filter_names()
        hint = _nearest(wrong.group(1), names) or f"; there are: {', '.join(names)}"
        return f"unknown filter {wrong.group(1)!r}{_at(wrong.group(2))}{hint}"
    choice = re.search(r"Invalid enum value '([^']*)' - at `\$\.([^`]*)`", message)
    if choice:
        word, place = choice.groups()
        return f"unknown value {word!r} at {place}; there are: {', '.join(_choices_at(place))}"
    return message.replace("$.", "")


def _at(place: str) -> str:
    return f" at [{place}]" if place else " at the top"


def _nearest(word: str, words: list[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(words)}"


def _filter_names() -> list[str]:
    return sorted(str(kind.__struct_config__.tag) for kind in Filter.__args__)


def _keys_at(place: str) -> list[str]:
    if place.startswith("filters"):
        names = {name for kind in Filter.__args__ for name in kind.__struct_fields__}
        return sorted(names | {"use"})
    found = _type_at(place)
    return sorted(f.name for f in found.fields) if isinstance(found, inspect.StructType) else []


def _choices_at(place: str) -> list[str]:
    """The words that may stand at a place like `crawl.texts[0]`."""
    found = _type_at(place)
    return [str(v) for v in found.values] if isinstance(found, inspect.LiteralType) else []


def _type_at(place: str) -> inspect.Type:
    """The type of a place of the recipe, of the items where it is a list."""
    found = inspect.type_info(Recipe)
    for name in re.findall(r"[a-z]\w*", place):
        kinds = found.types if isinstance(found, inspect.UnionType) else (found,)
        fields = [f for k in kinds if isinstance(k, inspect.StructType) for f in k.fields]
        found = next(f.type for f in fields if f.name == name)
        if isinstance(found, inspect.VarTupleType):
            found = found.item_type
    return found
