"""What describes a folder: manifest, sizes, card, Croissant, contact sheet."""

import json
from pathlib import Path

import pytest
from PIL import Image

from samples_fixture import build_shards
from webpairs_core.errors import ShardError
from webpairs_core.files import file_sha256
from webpairs_core.funnel import Funnel
from webpairs_shards.check.sheet import contact_sheet, wrap
from webpairs_shards.format.card import Survey, dataset_card, survey
from webpairs_shards.format.layout import SampleJson
from webpairs_shards.format.manifest import Manifest, encode_manifest, read_manifest

N = 25


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("sidecars"), N, samples_per_shard=10, seed=7)


def test_the_manifest_names_every_file_by_its_digest(shards: Path) -> None:
    manifest = read_manifest(shards)
    assert manifest.n_samples == N
    assert manifest.recipe["seed"] == 7
    assert len(manifest.recipe_digest) == 64
    for entry in manifest.shards:
        assert entry.bytes == (shards / f"{entry.name}.tar").stat().st_size
        assert entry.sha256 == file_sha256(shards / f"{entry.name}.tar")
        assert entry.idx_sha256 == file_sha256(shards / f"{entry.name}.idx")
        assert entry.parquet_sha256 == file_sha256(shards / f"{entry.name}.parquet")


def test_a_manifest_comes_back(tmp_path: Path, shards: Path) -> None:
    manifest = read_manifest(shards)
    (tmp_path / "manifest.json").write_bytes(encode_manifest(manifest))
    assert read_manifest(tmp_path) == manifest


def test_sizes(shards: Path) -> None:
    assert json.loads((shards / "sizes.json").read_text()) == {
        "shard-000000.tar": 8,
        "shard-000001.tar": 8,
        "shard-000002.tar": 9,
    }


def test_the_survey_counts_every_sample(shards: Path) -> None:
    facts = survey(sorted(shards.glob("*.parquet")))
    assert sum(facts.langs.values()) == sum(facts.hosts.values()) == N
    assert facts.langs == {"en": 5, "de": 4, "fr": 4, "ja": 4, "ko": 4, "zh": 4}
    assert facts.text_sources == {"alt": N}
    assert facts.signals == {}


def test_the_card_says_what_the_shards_hold(shards: Path) -> None:
    card = (shards / "README.md").read_text()
    assert f"\n{N} image-text samples in 3 WebDataset shards" in card
    assert "| ko | 4 |" in card
    assert "| host0.example | 5 |" in card
    assert "fetch: 25 candidates in" in card
    assert "Their licences are unknown" in card
    assert "policy `default`" in card
    assert 'data_files: "shard-*.tar"' in card


def test_the_card_with_licences_signals_and_awkward_names() -> None:
    manifest = Manifest(
        name="a", image_format="jpg", n_samples=5_000, shards=[], recipe_digest="0", recipe={}
    )
    facts = Survey({"no": 3, "": 2}, {}, {}, {"meta-robots:noai@page": 1}, {"": 4, "https://l": 1})
    card = dataset_card(manifest, facts, [Funnel("plan", "samples", 1, 1)]).decode()
    assert 'language: ["no"]' in card  # quoted: bare, it is YAML's false
    assert 'size_categories: ["1K<n<10K"]' in card
    assert "| (unknown) | 2 |" in card
    assert "| https://l | 1 |" in card
    assert "| meta-robots:noai@page | 1 |" in card


def test_croissant_links_what_it_names(shards: Path) -> None:
    """mlcroissant itself is no dependency; what it needs is that all references are met."""
    document = json.loads((shards / "croissant.json").read_text())
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    files = {d["@id"]: d for d in document["distribution"] if d["@type"] == "cr:FileObject"}
    sets = {d["@id"]: d for d in document["distribution"] if d["@type"] == "cr:FileSet"}
    assert set(files) == {p.name for p in shards.iterdir() if p.suffix in (".tar", ".parquet")}
    for name, file in files.items():
        assert file["sha256"] == file_sha256(shards / name)
    contained = {one["@id"] for one in sets["images"]["containedIn"]}
    assert contained == {name for name in files if name.endswith(".tar")}
    fields = {f["@id"]: f for record in document["recordSet"] for f in record["field"]}
    for field in fields.values():
        assert field["source"]["fileSet"]["@id"] in sets
    assert fields["pictures/key"]["references"]["field"]["@id"] in fields
    names = {name.removeprefix("samples/") for name in fields if name.startswith("samples/")}
    assert names == set(SampleJson.__struct_fields__)


@pytest.mark.parametrize(("n", "columns", "rows"), [(48, 8, 4), (3, 3, 1), (9, 8, 2)])
def test_a_contact_sheet_shows_n_pictures(
    shards: Path, tmp_path: Path, n: int, columns: int, rows: int
) -> None:
    target = tmp_path / "sheet.png"
    contact_sheet(shards, target, n)
    with Image.open(target) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width == columns * 172 + 12
        assert sheet.height == rows * 240 + 12
        for i in range(min(n, N)):
            row, column = divmod(i, columns)
            left, top = 12 + column * 172, 12 + row * 240
            picture = sheet.crop((left, top, left + 160, top + 160))
            caption = sheet.crop((left, top + 160, left + 160, top + 228))
            assert len(picture.getcolors(1 << 16) or []) > 100
            assert len(caption.getcolors(1 << 16) or []) > 1


def test_no_sheet_without_shards(tmp_path: Path) -> None:
    with pytest.raises(ShardError):
        contact_sheet(tmp_path, tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    "text",
    [
        "a word",
        "long " * 60,
        "x" * 400,
        "가나다라" * 60,
        "\U0001f469\u200d\U0001f469 \ufdfd",
        "é" * 9,
    ],
)
def test_captions_are_wrapped(text: str) -> None:
    lines = wrap(text)
    assert 1 <= len(lines) <= 4
    if lines[-1].endswith("…"):
        whole = "".join(lines)[:-1].replace(" ", "")
        assert text.replace(" ", "").startswith(whole)
    else:
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
