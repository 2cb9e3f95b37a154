"""README.md of a shards folder: the dataset card, for people and (its head) for dataset hubs."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from webpairs_core.funnel import Funnel, table
from webpairs_core.schema import SHARD, read_part
from webpairs_shards.format.layout import PURGED
from webpairs_shards.format.manifest import Manifest

_TOP_HOSTS = 20
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))
"""The size classes of dataset hubs; more than the last: 1M<n<10M and so on is left unsaid."""


class Survey(msgspec.Struct, frozen=True):
    """What the samples are, counted."""

    langs: dict[str, int]
    hosts: dict[str, int]
    text_sources: dict[str, int]
    signals: dict[str, int]
    """Opt-out signals recorded with kept samples."""
    licences: dict[str, int]


def survey(sidecars: Iterable[Path]) -> Survey:
    """Count over the Parquet sidecars. Raises PartCorrupt when one is damaged."""
    counters: dict[str, Counter[str]] = {
        name: Counter() for name in ("lang", "host", "text_source", "optout", "license_url")
    }
    for path in sidecars:
        for batch in read_part(path, SHARD):
            for name, counter in counters.items():
                values = batch.column(name).to_pylist()
                words = (w for v in values for w in v.split()) if name == "optout" else values
                counter.update(words)
    langs, hosts, sources, signals, licences = (_by_count(c) for c in counters.values())
    return Survey(langs, hosts, sources, signals, licences)


def dataset_card(manifest: Manifest, facts: Survey, funnels: Iterable[Funnel]) -> bytes:
    """The bytes of README.md. A funnel of stage `pack` says that no crawl of ours found them."""
    tables = list(funnels)
    is_packed = any(funnel.stage == "pack" for funnel in tables)
    return _card(manifest, facts, _History(is_packed, "\n".join(map(table, tables))))


def purged_card(manifest: Manifest, facts: Survey, before: str) -> bytes:
    """The bytes of README.md after a purge: all numbers are of what is left, and how the samples
    were chosen is told as the card `before` did."""
    _, heading, told = before.partition(_HOW)
    funnel, end, _ = told.partition(_END)
    if not heading or not end:
        funnel = "The card from before the purge did not tell."
    return _card(manifest, facts, _History(_PACKED in before, funnel))


class _History(NamedTuple):
    is_packed: bool
    funnel: str


def _card(manifest: Manifest, facts: Survey, history: _History) -> bytes:
    n_bytes = sum(entry.bytes for entry in manifest.shards)
    hosts = dict(list(facts.hosts.items())[:_TOP_HOSTS])
    text = _CARD.format(
        head=_head(manifest, facts),
        name=manifest.name,
        n_samples=f"{manifest.n_samples:,}",
        n_shards=f"{len(manifest.shards):,}",
        n_bytes=f"{n_bytes:,}",
        format=manifest.image_format,
        version=manifest.webpairs,
        digest=manifest.recipe_digest,
        langs=_counts("language", facts.langs),
        n_hosts=f"{len(facts.hosts):,}",
        hosts=_counts("host", hosts),
        sources=_counts("source", facts.text_sources),
        licences=_licences(facts.licences),
        signals=_signals(facts.signals),
        made=_PACKED if history.is_packed else _CRAWLED,
        manners=(_PACKED_MANNERS if history.is_packed else _CRAWLED_MANNERS).format(
            policy=_policy(manifest)
        ),
        how=f"{_HOW}{history.funnel}{_END}{_purged(manifest)}",
    )
    return text.encode()


def _purged(manifest: Manifest) -> str:
    if isinstance(manifest.purged, msgspec.UnsetType):
        return ""
    return (
        f"\nOf these, {manifest.purged.n_samples:,} were removed later: `{PURGED}` has their keys "
        "and digests.\n"
    )


def _policy(manifest: Manifest) -> str:
    return str(manifest.recipe.get("crawl", {}).get("optout", "default"))


def _head(manifest: Manifest, facts: Survey) -> str:
    size = next((name for bound, name in _SIZES if manifest.n_samples < bound), "")
    lines = [
        f"pretty_name: {json.dumps(manifest.name)}",
        "license: other",
        "license_name: unknown",
        # Quoted: a bare `no` is false in YAML, not Norwegian.
        f"language: {json.dumps([lang for lang in facts.langs if lang])}",
        'task_categories: ["zero-shot-image-classification", "image-to-text", "text-to-image"]',
        'tags: ["webdataset", "image-text", "clip"]',
        *([f"size_categories: {json.dumps([size])}"] if size else []),
        "configs:",
        "- config_name: default",
        '  data_files: "shard-*.tar"',
    ]
    return "\n".join(lines)


def _by_count(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _counts(what: str, counts: Mapping[str, int]) -> str:
    rows = [f"| {name or '(unknown)'} | {n:,} |" for name, n in counts.items()]
    return "\n".join([f"| {what} | samples |", "| --- | ---: |", *rows])


def _licences(licences: Mapping[str, int]) -> str:
    named = {url: n for url, n in licences.items() if url}
    if not named:
        return "No page named a licence for its images."
    return _counts("licence named by the page", named)


def _signals(signals: Mapping[str, int]) -> str:
    if not signals:
        return "None of the samples here carried an opt-out signal."
    return _counts("signal on kept samples", signals)


_CRAWLED, _PACKED = "collected from the web by", "packed from files that were there before by"
_CRAWLED_MANNERS = (
    "The crawl obeyed robots.txt and the policy `{policy}` for opt-out signals (X-Robots-Tag and "
    "robots\nmeta tags with noai or noimageai, the TDM reservation protocol), on pages and on "
    "images."
)
_PACKED_MANNERS = (
    "Nobody asked the sites of these images anew. Signals that the files or their tables hold "
    "were\nread with the policy `{policy}`."
)
_CARD = """---
{head}
---
# {name}

{n_samples} image-text samples in {n_shards} WebDataset shards ({n_bytes} bytes), {made}
webpairs {version} with the recipe of digest `{digest}`.

Each sample is three members of a tar: `KEY.{format}`, `KEY.json`, `KEY.txt` (the caption). Beside
each tar lie `.parquet` (the JSONs as a table) and `.idx` (where each member starts).
`manifest.json` holds the SHA-256 of each file and the recipe in full; `sizes.json` the counts that
open_clip wants. Samples are shuffled over all shards.

## Languages of the captions

{langs}

## Hosts of the images

{n_hosts} hosts; the largest:

{hosts}

## Where the captions stood

{sources}

## Licences

The images and texts belong to their authors. Their licences are unknown unless a page named one;
this card grants none. Whoever uses or passes on these samples has to check that they may.

{licences}

## Opt-out

{manners}

{signals}

To have an image taken out, name its URL, host, SHA-256 or perceptual hash to whoever gave you this
dataset: all four are columns of the Parquet files.

{how}"""
_HOW, _END = "## How the samples were chosen\n\n```\n", "\n```\n"
"""Around the funnel."""
