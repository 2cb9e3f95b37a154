"""The split by the key: two whole folders, and no sample that changes sides."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples_fixture import build_samples, make_run, shard
from webpairs_core.errors import NothingLeft
from webpairs_core.files import file_sha256
from webpairs_core.keys import is_validation
from webpairs_shards.check.verify import verify
from webpairs_shards.read.open import open_shards

NO_DEDUP = {"near_duplicate_distance": -1}


def _split(out: Path, seed: int = 0, workers: int = 1, **section: Any) -> tuple[set[str], set[str]]:
    shard(make_run(out, workers=workers, seed=seed, dedup=NO_DEDUP, shards=section))
    return _keys(out / "shards"), _keys(out / "validation")


def _keys(folder: Path) -> set[str]:
    if not folder.exists():  # an empty one would be an error
        return set()
    reader = open_shards(folder)
    return {reader.read(i).key for i in range(reader.n_samples)}


@given(key=st.binary(min_size=16, max_size=16), a=st.floats(0, 0.5), b=st.floats(0, 0.5))
def test_a_larger_share_only_takes_more(key: bytes, a: float, b: float) -> None:
    small, large = sorted((a, b))
    assert is_validation(key, large) or not is_validation(key, small)
    assert not is_validation(key, 0)


def test_the_share_is_what_was_asked_for() -> None:
    keys = [n.to_bytes(16, "big") for n in range(20_000)]
    for fraction in (0.01, 0.1, 0.5):
        n = sum(is_validation(key, fraction) for key in keys)
        assert abs(n - 20_000 * fraction) < 4 * (20_000 * fraction) ** 0.5


def test_both_sides_are_whole_folders_and_hold_all(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 60)
    train, validation = _split(out, validation=0.3, samples_per_shard=10)
    assert len(train) + len(validation) == 60
    assert not train & validation
    for keys, is_held_out in ((train, False), (validation, True)):
        assert keys
        assert {is_validation(bytes.fromhex(key), 0.3) for key in keys} == {is_held_out}
    for name in ("shards", "validation"):
        report = verify(out / name)
        assert (report.faults, report.n_shards > 1) == ([], True)
    assert open_shards(out / "validation").manifest.name == "tiny-validation"


def test_no_sample_changes_sides(tmp_path: Path) -> None:
    train, validation = _split(build_samples(tmp_path / "a", 40), validation=0.25)
    other = build_samples(tmp_path / "b", 70, n_parts=3)
    more_train, more_validation = _split(other, 9, validation=0.25, bytes_per_shard=30_000)
    assert train <= more_train
    assert validation <= more_validation
    _, larger = _split(other, validation=0.4)
    assert more_validation < larger


def test_workers_change_no_byte_of_either_side(tmp_path: Path) -> None:
    digests = []
    for workers in (1, 2):
        out = build_samples(tmp_path / str(workers), 40, n_parts=workers)
        _split(out, workers=workers, validation=0.3, samples_per_shard=5)
        files = [path for name in ("shards", "validation") for path in (out / name).iterdir()]
        digests.append({path.relative_to(out): file_sha256(path) for path in files})
    assert digests[0] == digests[1]


def test_without_a_share_there_is_no_second_folder(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 40)
    assert _split(out, validation=0.3)[1]
    train, validation = _split(out)  # and what an earlier recipe left goes
    assert (len(train), validation) == (40, set())
    assert not (out / "plan/validation.parquet").exists()


def test_a_share_that_takes_all_is_an_error(tmp_path: Path) -> None:
    out = build_samples(tmp_path / "one", 1)
    (key,) = _split(out)[0]
    fraction = next(n / 64 for n in range(65) if is_validation(bytes.fromhex(key), n / 64))
    if fraction > 0.5:
        pytest.fail("the sample of this test must be one that validation can take")
    with pytest.raises(NothingLeft, match=r"shards\.validation"):
        _split(out, validation=fraction)


def test_shards_by_bytes_have_equal_counts(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 50)
    folder = shard(make_run(out, dedup=NO_DEDUP, shards={"bytes_per_shard": 60_000}))
    entries = open_shards(folder).manifest.shards
    sizes = [entry.samples for entry in entries]
    assert len(sizes) > 2
    assert max(sizes) - min(sizes) <= 1
    mean = sum(entry.bytes for entry in entries) / len(entries)
    assert 30_000 < mean < 75_000
