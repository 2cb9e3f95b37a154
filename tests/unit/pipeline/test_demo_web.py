"""The demo web as data: pure, complete, with pictures that are either clearly apart or copies."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from webpairs_core.keys import pair_key
from webpairs_pipeline.demo.draft import Draft
from webpairs_pipeline.demo.flaws import SHARES
from webpairs_pipeline.demo.labelled import write_labelled
from webpairs_pipeline.demo.pictures import APART, CLOSE, decoded, distances, make_files, phash
from webpairs_pipeline.demo.scenes import HELD_OUT, SHOWN
from webpairs_pipeline.demo.truth import PairTruth, settle
from webpairs_pipeline.demo.web import demo_site, demo_truth, make_draft
from webpairs_pipeline.recipe import ServeSection
from webpairs_pipeline.web_server import body_of

SMALL = ServeSection(web="demo", pages=20)


@pytest.fixture(scope="module")
def full() -> Draft:
    return make_draft(ServeSection(web="demo"))


def test_web_is_a_function_of_seed_pages_and_port() -> None:
    one, again = make_draft(SMALL), make_draft(SMALL)
    assert (one.answers, one.places, one.pairs) == (again.answers, again.places, again.pairs)
    other_port = make_draft(ServeSection(web="demo", pages=20, port=9000))
    assert other_port.pictures == one.pictures
    assert [p.text for p in other_port.pairs] == [p.text for p in one.pairs]
    assert make_draft(ServeSection(web="demo", pages=20, seed=1)).pictures != one.pictures


def test_default_web_has_the_promised_size_and_every_flaw(full: Draft) -> None:
    truth = demo_truth(ServeSection(web="demo"))
    assert 390 <= sum(page.outcome == "ok" for page in truth.pages) <= 410
    n_unpaired = sum(sum(page.unpaired.values()) for page in truth.pages)
    assert 2800 <= len(truth.pairs) + n_unpaired <= 3300
    assert len(truth.samples()) > 1400
    for flaw in SHARES:
        assert full.flaws[flaw.__name__] >= 1, flaw.__name__
    small = make_draft(ServeSection(web="demo", pages=60))
    assert {flaw.__name__ for flaw in SHARES} <= set(small.flaws)


def test_most_texts_are_english(full: Draft) -> None:
    n_foreign = sum(pair.reason == "language" for pair in full.pairs)
    assert 0.66 < 1 - n_foreign / len(full.pairs) < 0.78


def test_held_out_pairs_are_nowhere_on_the_web(full: Draft) -> None:
    used = {(p.scene.colour, p.scene.shape) for p in full.pictures}
    assert used == set(SHOWN)
    for colour, shape in HELD_OUT:
        assert not any(f"{colour} {shape}" in pair.text for pair in full.pairs)


def test_every_address_of_the_truth_is_on_the_web(full: Draft) -> None:
    places = {f"http://{place}" for place in (*full.answers, *full.places)}
    for pair in full.pairs:
        if not pair.reason:
            assert pair.url.replace(f":{full.port}", "") in places
    for page in full.pages:
        if page.outcome != "robots":
            assert page.url.replace(f":{full.port}", "") in places
    assert places.isdisjoint(f"http://{place}" for place in full.forbidden)


def test_pictures_are_apart_or_copies() -> None:
    pictures = make_draft(ServeSection(web="demo", pages=60)).pictures
    made = make_files(pictures)
    group = np.array([p.copy_of if p.copy_of >= 0 else i for i, p in enumerate(pictures)])
    hashed = [i for i, p in enumerate(pictures) if p.has_hash]
    hashes = np.array([phash(decoded(made[i])) for i in hashed], dtype=np.uint64)
    between = distances(hashes, hashes)
    is_same = group[hashed][:, None] == group[hashed][None, :]
    assert between[is_same].max() <= CLOSE
    assert between[~is_same].min() >= APART
    assert is_same.sum() > len(hashed)
    for picture, data in zip(pictures, made, strict=True):
        if picture.state != "truncated":
            assert decoded(data).size == picture.size


def test_pictures_are_drawn_once(tmp_path: Path) -> None:
    site = demo_site(SMALL, tmp_path)
    record = tmp_path / "demo" / "pictures.json"
    before = record.stat().st_mtime_ns
    assert demo_site(SMALL, tmp_path) == site
    assert record.stat().st_mtime_ns == before
    bodies = {place: body_of(answer) for place, answer in site.answers.items() if answer.file}
    # An interrupted drawing has no record yet: it is done again, with the same result.
    record.unlink()
    (tmp_path / "demo" / "pictures.bin").write_bytes(b"half")
    site = demo_site(SMALL, tmp_path)
    assert {place: body_of(site.answers[place]) for place in bodies} == bodies
    demo_site(ServeSection(web="demo", pages=20, seed=1), tmp_path)
    assert record.stat().st_mtime_ns != before


def test_labelled_pictures(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        write_labelled(folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]
    for part, combinations in (("held_out", HELD_OUT), ("shown", SHOWN)):
        folder = tmp_path / "one" / part
        names = (folder / "classnames.txt").read_text().splitlines()
        assert len(set(names)) == 80
        classes = {path.name for path in folder.iterdir() if path.is_dir()}
        assert classes == {f"{colour} {shape}" for colour, shape in combinations}
        assert classes <= set(names)
        counts = Counter(path.parent.name for path in folder.glob("*/*.png"))
        assert min(counts.values()) >= 4


def _pair(text: str, n_pixels: int, group: int = 0, reason: str = "", url: str = "") -> PairTruth:
    url = url or f"http://a/{text}"
    key = pair_key(url, text)
    stage = "filter" if reason else ""
    return PairTruth(
        page_url="", flaw="", url=url, text=text, key=key, stage=stage, reason=reason,
        group=group, n_pixels=n_pixels,
    )  # fmt: skip


def test_the_largest_picture_then_the_one_that_says_most_stays() -> None:
    best = _pair("two words", 20)
    pairs = [_pair("a", 10), _pair("b", 20), best, _pair("b", 20), _pair("d", 5, 1)]
    same_file = _pair("x", 20, url=best.url)
    language = [_pair("b", 20, reason="language"), _pair("e", 99, reason="language")]
    settled = settle([*pairs, same_file, *language])
    kept = {pair.key for pair in settled if not pair.reason}
    assert kept == {best.key, _pair("d", 0).key}
    assert Counter(pair.reason for pair in settled) == {
        "": 2, "near_duplicate": 2, "duplicate_image": 1, "duplicate_pair": 1, "language": 2,
    }  # fmt: skip
