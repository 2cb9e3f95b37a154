"""A finished run for a person: lines on the terminal, OUT/run/report.json, OUT/report.html."""

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from webpairs_core.errors import RecipeError
from webpairs_core.files import write_atomic
from webpairs_core.funnel import Funnel, table
from webpairs_core.ledger import DONE, Ledger
from webpairs_pipeline.rules_report import rule_lines, rules_html
from webpairs_pipeline.stages import STAGES


class StageReport(msgspec.Struct, frozen=True):
    """One finished stage."""

    name: str
    funnels: list[Funnel]
    info: dict[str, Any]


def stage_reports(out: Path) -> list[StageReport]:
    """The finished stages of a run, in the order of the rooms."""
    ledger = Ledger(out)
    done = ((spec.name, ledger.stage(spec.name).commit_of(DONE)) for spec in STAGES)
    return [
        StageReport(name_of(name, commit.funnels), commit.funnels, commit.info)
        for name, commit in done
        if commit
    ]


def name_of(stage: str, funnels: Sequence[Funnel]) -> str:
    """What a stage is called for a person: `pack` stands in the ledger as fetch."""
    return "pack" if funnels and funnels[0].stage == "pack" else stage


def write_report_json(out: Path) -> Path:
    """Write OUT/run/report.json: every funnel and fact of the run so far."""
    target = out / "run" / "report.json"
    write_atomic(target, msgspec.json.format(msgspec.json.encode(stage_reports(out)), indent=1))
    return target


def info_lines(stage: str, info: dict[str, Any]) -> list[str]:
    """What a person wants to read after a stage, beside its funnel."""
    lines = []
    for result in info.get("sets", []):
        low, high = result["ci95"]
        lines.append(
            f"zero-shot on {result['name']}: top-1 {result['top1']:.1%} "
            f"(95 % interval {low:.1%} to {high:.1%}), top-5 {result['top5']:.1%}, "
            f"chance {result['chance']:.2%}, {result['n']:,} images, "
            f"{result['n_classes']:,} classes"
        )
    lines += [
        f"{outcome}: {phases['n']:,} asked; ms at 50, 95, 99 %: "
        + ", ".join(
            f"{name} {_percentiles(found)}" for name, found in phases.items() if name != "n"
        )
        for outcome, phases in info.get("timings", {}).items()
    ]
    lines += rule_lines(info.get("rules", {}))
    lines += _balance_lines(info["balance"]) if "balance" in info else []
    if found := info.get("decontaminate"):
        of = f" of {found['n_pictures']:,} pictures" if "n_pictures" in found else ""
        damaged = f" ({n:,} cannot be decoded)" if (n := found.get("n_damaged")) else ""
        lines.append(
            f"evaluation sets{of}{damaged}: {found['n_dropped']:,} samples show one of them, see "
            "plan/decontaminated.parquet"
        )
    plain = {k: v for k, v in info.items() if isinstance(v, int | float | str) and k != "sets"}
    if plain:
        shown = ", ".join(
            f"{k} {v:,}" if isinstance(v, int) else f"{k} {v}" for k, v in plain.items()
        )
        lines.append(f"{stage}: {shown}")
    return lines


def _balance_lines(found: dict[str, Any]) -> list[str]:
    top = ", ".join(f"{one['entry']} {one['before']:,} → {one['after']:,}" for one in found["top"])
    return [
        f"balance: {found['n_matched']:,} of {found['n_entries']:,} entries are held by some pair, "
        f"{found['n_head']:,} of them by more than {found['per_entry']:,}; the others have "
        f"{found['tail_share_before']:.1%} of the matches before and "
        f"{found['tail_share_after']:.1%} after",
        f"most frequent entries, pairs before → after: {top}",
    ]


def _percentiles(found: dict[str, int]) -> str:
    return "/".join(f"{ms:,}" for ms in found.values())


def show(shards: Path, n_samples: int, *, is_quiet: bool) -> dict[str, Any]:
    """Print the funnel of the run that made these shards and draw their contact sheet beside them.

    Raises ShardError when the folder holds no shards.
    """
    from webpairs_shards.check.sheet import contact_sheet

    target = shards.resolve().parent / "contact_sheet.png"
    contact_sheet(shards, target, n_samples)
    reports = stage_reports(shards.resolve().parent)
    if not is_quiet:
        for report in reports:
            for funnel in report.funnels:
                print(table(funnel))
        print(target)
    return {"made": str(target), "stages": json.loads(msgspec.json.encode(reports))}


def write_html(out: Path) -> Path:
    """Write OUT/report.html, one file: funnels, contact sheet, training curve, scores.

    Raises RecipeError when OUT holds no finished stage.
    """
    reports = stage_reports(out)
    if not reports:
        raise RecipeError(f"{out} holds no finished stage: give the folder that --out named")
    blocks = []
    for report in reports:
        rows = "".join(_funnel_rows(funnel) for funnel in report.funnels)
        told = {name: fact for name, fact in report.info.items() if name != "rules"}
        facts = "".join(f"<p>{html.escape(line)}</p>" for line in info_lines(report.name, told))
        blocks.append(f"<h2>{html.escape(report.name)}</h2><table>{rows}</table>{facts}")
        if rules := report.info.get("rules"):
            blocks.append(rules_html(out, rules))
    pictures = [out / "contact_sheet.png", *sorted(out.glob("models/*/training.png"))]
    blocks += [_picture(path) for path in pictures if path.exists()]
    target = out / "report.html"
    write_atomic(target, _PAGE.format(name=html.escape(out.name), body="".join(blocks)).encode())
    return target


def _funnel_rows(funnel: Funnel) -> str:
    total = max(funnel.rows_in, 1)
    named = [(f"{funnel.noun} in", funnel.rows_in), ("kept", funnel.kept)]
    named += sorted(funnel.rejected.items(), key=lambda item: (-item[1], item[0]))
    return "".join(
        f"<tr><th>{html.escape(name.replace('_', ' '))}</th><td>{n:,}</td>"
        f'<td><div style="width:{n / total * 300:.0f}px"></div></td><td>{n / total:.1%}</td></tr>'
        for name, n in named
    )


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    title = html.escape(path.stem.replace("_", " "))
    return f'<h2>{title}</h2><img alt="{title}" src="data:image/png;base64,{data}">'


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>webpairs: {name}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
th {{ text-align: left; font-weight: normal; padding-right: 2rem }}
td.said {{ text-align: left; overflow-wrap: anywhere }}
td {{ text-align: right; padding-right: 1rem; font-variant-numeric: tabular-nums }}
td div {{ height: 0.8em; background: #48c; min-width: 1px }}
img {{ max-width: 100% }}
</style><h1>{name}</h1>{body}</html>
"""
