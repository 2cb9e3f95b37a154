"""`make real DATA=...`: the whole line on data that nobody here made; prints the README's tables.

The real sites go from crawl to shards. Noto's emoji go from gallery pages to a trained model, which
then names Twemoji's: the same things drawn by another hand. Running it again does what is left.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TO_SHARDS = ("crawl", "filter", "fetch", "shard")
EPOCHS_PER_MINUTE = 27.0
"""Of the emoji model on one core. A count of epochs, not a clock: the result stays repeatable."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder with site/ and emoji/")
    parser.add_argument("out", type=Path, help="where the two runs go")
    parser.add_argument("--minutes", type=float, default=3.0, help="of training, about (3)")
    args = parser.parse_args()
    for needed in ("site", "emoji/noto", "emoji/twemoji"):
        if not (args.data / needed).is_dir():
            sys.exit(f"real: there is no {args.data / needed}; give the folder that holds it")
    site = run_line("site", args.data / "site", args.out / "site", TO_SHARDS)
    emoji_out = args.out / "emoji"
    write_labels(args.data / "emoji" / "twemoji", emoji_out / "twemoji")
    epochs = f"train.epochs={max(0.1, args.minutes * EPOCHS_PER_MINUTE):.2f}"
    commands = (*TO_SHARDS, "train", "eval")
    emoji = run_line("emoji", args.data / "emoji" / "noto", emoji_out, commands, epochs)
    print("\n".join(funnel_table("The real sites", site)))
    print("\n".join(funnel_table("Noto's emoji", emoji)))
    print("\n".join(score_table(emoji["eval"]["info"]["sets"])))


def run_line(
    name: str, served: Path, out: Path, commands: tuple[str, ...], *overrides: str
) -> dict[str, Any]:
    """Run these commands of a recipe; what they made, by stage."""
    stages: dict[str, Any] = {}
    for command in commands:
        words = [sys.executable, "-m", "webpairs_pipeline.cli", command]
        words += [str(ROOT / "recipes" / f"{name}.toml"), "--out", str(out), "--json"]
        for override in (f"serve.path={json.dumps(str(served.resolve()))}", *overrides):
            words += ["--set", override]
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            sys.exit(f"real: webpairs {command} of {name} ended with exit code {done.returncode}")
        stages |= json.loads(done.stdout)["stages"]
    return stages


def write_labels(source: Path, target: Path) -> None:
    """Make a folder of captioned images one that the eval stage reads: each name is a class."""
    listing = (source / "captions.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in listing.splitlines()]
    labels = [{"file": str((source / r["file"]).resolve()), "label": r["en"]} for r in rows]
    lines = "".join(json.dumps(label, ensure_ascii=False) + "\n" for label in labels)
    names = "".join(f"{name}\n" for name in sorted({row["en"] for row in rows}))
    target.mkdir(parents=True, exist_ok=True)
    (target / "labels.jsonl").write_text(lines, encoding="utf-8")
    (target / "classnames.txt").write_text(names, encoding="utf-8")


def funnel_table(title: str, stages: dict[str, Any]) -> list[str]:
    """Every stage's funnel as one Markdown table."""
    crawl = stages["crawl"]["info"]
    lines = ["", f"### {title}", "", "| stage | what | n |", "| --- | --- | ---: |"]
    for name, stage in stages.items():
        for funnel in stage["funnels"]:
            lines.append(f"| {name} | {funnel['noun']} in | {funnel['rows_in']:,} |")
            lines += [f"| | {reason} | {n:,} |" for reason, n in funnel["rejected"].items()]
            lines.append(f"| | **kept** | **{funnel['kept']:,}** |")
        if name == "crawl":
            lines.append(f"| | images on the pages | {crawl['n_images']:,} |")
            lines += [f"| | {reason} | {n:,} |" for reason, n in crawl["unpaired"].items()]
            lines.append(f"| | **images with alt text** | **{crawl['n_pairs']:,}** |")
    return lines


def score_table(results: list[dict[str, Any]]) -> list[str]:
    """The zero-shot scores as a Markdown table."""
    lines = ["", "### Zero-shot: trained on Noto's emoji only", ""]
    lines += ["| set | names | top-1 | 95 % interval | top-5 | chance |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    for result in results:
        low, high = result["ci95"]
        lines.append(
            f"| {result['name']} | {result['n_classes']:,} | {result['top1']:.1%} "
            f"| {low:.1%} to {high:.1%} | {result['top5']:.1%} | {result['chance']:.2%} |"
        )
    return lines


if __name__ == "__main__":
    main()
