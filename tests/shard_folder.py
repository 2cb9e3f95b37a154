"""A folder of shards of any samples, by the writer itself: without plan, recipe or image stage."""

from collections.abc import Iterable
from pathlib import Path

from webpairs_core.files import file_sha256
from webpairs_shards.format.croissant import encode_croissant
from webpairs_shards.format.layout import SampleJson, shard_stem
from webpairs_shards.format.manifest import Manifest, ShardEntry, encode_manifest, encode_sizes
from webpairs_shards.write.writer import ShardFiles, write_shard

SAMPLE = SampleJson(
    key="0" * 32,
    url="http://host.example/1.png",
    caption="a dot",
    text_source="alt",
    page_url="http://host.example/",
    page_lang="en",
    lang="en",
    lang_score=1.0,
    host="host.example",
    width=1,
    height=1,
    original_width=1,
    original_height=1,
    sha256="0" * 64,
    phash="0" * 16,
    license_url="",
    optout="",
    extra="",
)

Samples = Iterable[tuple[SampleJson, bytes]]


def write_folder(folder: Path, shards: Iterable[Samples], image_format: str) -> Path:
    """Write each of `shards` and what describes them; return `folder`."""
    folder.mkdir(parents=True)
    entries = []
    for number, samples in enumerate(shards):
        stem = folder / shard_stem(number)
        tar, idx, parquet = (stem.with_suffix(f".{end}") for end in ("tar", "idx", "parquet"))
        n = write_shard(ShardFiles(tar, idx, parquet), samples, image_format)
        entries.append(
            ShardEntry(
                name=stem.name,
                samples=n,
                bytes=tar.stat().st_size,
                sha256=file_sha256(tar),
                idx_sha256=file_sha256(idx),
                parquet_sha256=file_sha256(parquet),
            )
        )
    manifest = Manifest(
        name=folder.name,
        image_format=image_format,
        n_samples=sum(entry.samples for entry in entries),
        shards=entries,
        recipe_digest="0" * 64,
        recipe={},
    )
    (folder / "manifest.json").write_bytes(encode_manifest(manifest))
    (folder / "sizes.json").write_bytes(encode_sizes(manifest))
    (folder / "croissant.json").write_bytes(encode_croissant(manifest))
    (folder / "README.md").write_text("# made by a test\n", encoding="utf-8")
    return folder
