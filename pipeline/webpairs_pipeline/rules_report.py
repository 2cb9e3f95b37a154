"""What each rule of the filters does, for a person: a table, and examples of what it drops."""

import html
from pathlib import Path
from typing import Any

import msgspec

from webpairs_core.ledger import DONE, Ledger
from webpairs_filters.catalog import OfPairs
from webpairs_filters.examples import Examples, merge_examples

EXAMPLES_FOLDER = "run/examples/"
"""Where the filter stage leaves the examples of each part, as JSON, relative to OUT."""
PLAN_EXAMPLES = "plan/examples.json"
"""Those of the filters of samples."""
Rules = dict[str, dict[str, int]]
"""By reason, in the order of the recipe: rows dropped `first`, and rows dropped `alone`."""

_NOTE = "* asked only for the rows that no filter before it drops"


def rule_lines(rules: Rules) -> list[str]:
    """The funnel by rule as lines for a terminal; none when the recipe has no filter."""
    if not rules:
        return []
    lines = [f"  {'by rule':<28}{'dropped first':>14}{'alone':>14}"]
    lines += [
        f"  - {_name(reason):<26}{n['first']:>14,}{n['alone']:>14,}" for reason, n in rules.items()
    ]
    return [*lines, f"  {_NOTE}"] if _has_costly(rules) else lines


def rules_html(out: Path, rules: Rules) -> str:
    """The same as HTML, with the examples of each reason in a fold."""
    found = examples_of_run(out)
    rows = "".join(
        f"<tr><th>{html.escape(_name(reason))}</th><td>{n['first']:,}</td><td>{n['alone']:,}</td>"
        "</tr>"
        for reason, n in rules.items()
    )
    note = f"<p>{_NOTE}</p>" if _has_costly(rules) else ""
    folds = "".join(_fold(reason, found) for reason in rules if found.get(reason))
    return (
        "<h3>by rule</h3><table><tr><th></th><td>dropped first</td><td>alone</td></tr>"
        f"{rows}</table>{note}{folds}"
    )


def examples_of_run(out: Path) -> Examples:
    """The examples of all parts of a finished filter stage, and of a finished plan."""
    ledger = Ledger(out)
    parts = ledger.outputs("filter", EXAMPLES_FOLDER)
    if ledger.stage("plan").is_done(DONE):
        parts += ledger.outputs("plan", PLAN_EXAMPLES)
    decoder = msgspec.json.Decoder(Examples)
    return merge_examples(decoder.decode((out / part.path).read_bytes()) for part in parts)


def _fold(reason: str, found: Examples) -> str:
    rows = "".join(
        f'<tr><td class="said">{html.escape(each.text)}</td>'
        f'<td class="said">{html.escape(each.url)}</td></tr>'
        for each in found[reason]
    )
    title = html.escape(reason.replace("_", " "))
    return f"<details><summary>{title}: examples</summary><table>{rows}</table></details>"


def _costly() -> set[str]:
    kinds: Any = OfPairs.__args__
    return {reason for kind in kinds if kind.is_costly for reason in kind.reasons}


def _has_costly(rules: Rules) -> bool:
    return not _costly().isdisjoint(rules)


def _name(reason: str) -> str:
    return f"{reason} *" if reason in _costly() else reason
