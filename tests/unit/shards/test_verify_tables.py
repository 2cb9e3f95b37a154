"""The tables of kinds and of what readers make of them fit together, and the code uses them."""

import re
from pathlib import Path

from webpairs_shards.check import kinds
from webpairs_shards.check.consumers import EFFECTS, effects_of
from webpairs_shards.check.kinds import KINDS

ROOT = Path(__file__).parents[3]
SOURCES = [
    path.read_text()
    for path in sorted(Path(kinds.__file__).parent.glob("*.py"))
    if path.name not in ("kinds.py", "consumers.py")
]


def test_each_kind_is_found_somewhere_and_none_is_unknown() -> None:
    words = set(re.findall(r'"([a-z_0-9]+)"', "".join(SOURCES)))
    assert set(KINDS) <= words
    said = re.findall(r'(?:Opinion|Seen|TarDamage|_note|note)\(\s*"([a-z_0-9]+)"', "".join(SOURCES))
    assert len(said) > 40
    assert set(said) <= set(KINDS)


def test_effects_are_of_kinds_that_exist() -> None:
    assert set(EFFECTS) <= set(KINDS)


def test_the_worst_effect_comes_first() -> None:
    order = ["hangs", "fails", "misleads"]
    for kind in KINDS:
        verbs = [order.index(effect.verb) for effect in effects_of(kind)]
        assert verbs == sorted(verbs)
    assert [effect.verb for effect in effects_of("nothing_to_train_on")] == ["hangs"]
    assert effects_of("caption_not_nfc") == ()


def test_what_misleads_or_worse_is_a_fault() -> None:
    """But for what a flag of the reader mends, and what only a version in work does."""
    notices = {kind for kind in EFFECTS if KINDS[kind].severity == "notice"}
    assert notices == {"few_shards", "no_sizes", "image_large"}


def test_the_documentation_has_every_kind_and_what_readers_do() -> None:
    lines = (ROOT / "docs/verify.md").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("| `")] == [
        f"| `{name}` | {kind.severity} | {kind.what} | "
        + "; ".join(f"{effect.reader} {effect.verb}" for effect in effects_of(name))
        + " |"
        for name, kind in KINDS.items()
    ]
