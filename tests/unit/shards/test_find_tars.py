"""Which tars a word stands for; each one that is not there is named."""

from pathlib import Path

import pytest

from webpairs_core.errors import ShardError
from webpairs_shards.stores.foreign.find_tars import expand, find_tars


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    for i in range(12):
        (tmp_path / f"{i:05d}.tar").touch()
    (tmp_path / "00000_stats.json").touch()
    return tmp_path


def numbers(paths: list[Path]) -> list[int]:
    return [int(path.stem) for path in paths]


def test_a_folder_a_tar_a_brace_list_a_glob_and_all_of_them(tars: Path) -> None:
    assert numbers(find_tars(tars)) == list(range(12))
    assert numbers(find_tars(str(tars))) == list(range(12))
    assert numbers(find_tars(tars / "00007.tar")) == [7]
    assert numbers(find_tars(f"{tars}/{{00002..00005}}.tar")) == [2, 3, 4, 5]
    assert numbers(find_tars(tars / "{00002,00009}.tar")) == [2, 9]
    assert numbers(find_tars(f"{tars}/0001*.tar")) == [10, 11]
    assert numbers(find_tars(f"{tars}/00003.tar::{tars}/00001.tar")) == [3, 1]
    both: list[Path | str] = [tars / "00011.tar", f"{tars}/{{00000..00002}}.tar"]
    assert numbers(find_tars(both)) == [11, 0, 1, 2]


def test_a_name_with_braces_in_it_is_itself(tmp_path: Path) -> None:
    (tmp_path / "{a,b}.tar").touch()
    (tmp_path / "[c].tar").touch()
    assert find_tars(tmp_path / "{a,b}.tar") == [tmp_path / "{a,b}.tar"]
    assert find_tars(tmp_path / "[c].tar") == [tmp_path / "[c].tar"]


def test_each_missing_one_is_named(tars: Path) -> None:
    with pytest.raises(ShardError) as raised:
        find_tars(f"{tars}/{{00010..00013}}.tar")
    assert f"{tars}/00012.tar, {tars}/00013.tar are missing" in str(raised.value)
    assert "00011" not in str(raised.value)
    with pytest.raises(ShardError, match=r"00021\.tar and 8 more are missing"):
        find_tars(f"{tars}/{{00000..00029}}.tar")
    with pytest.raises(ShardError, match=r"99\.tar is missing"):
        find_tars([tars / "00000.tar", tars / "99.tar"])


def test_no_tar_is_refused(tars: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "manifest.json").touch()
    for where, sentence in [
        ([], "the list of tars is empty"),
        (tmp_path / "empty", "holds no .tar"),
        (f"{tars}/x*.tar", "nothing is called"),
        (f"{tars}/{{00000..00001.tar", "without its }"),
        ([tars / "00000.tar", f"{tars}/{{00000..00001}}.tar"], r"00000\.tar given twice"),
        (f"{tars}/{{0..99999999}}.tar", "is there a digit too many"),
        (f"{tars}/{{0..999}}{{0..9999}}.tar", "is there a digit too many"),
        ([tmp_path / "ours"], "has a manifest.json of its own"),
    ]:
        with pytest.raises(ShardError, match=sentence):
            find_tars(where)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a", ["a"]),
        ("a{b,c}d", ["abd", "acd"]),
        ("{1..3}", ["1", "2", "3"]),
        ("{08..11}", ["08", "09", "10", "11"]),
        ("{3..1}", ["3", "2", "1"]),
        ("{0..9..4}", ["0", "4", "8"]),
        ("{a..c}", ["a", "b", "c"]),
        ("{c..a}", ["c", "b", "a"]),
        ("{a{1,2},b}", ["a1", "a2", "b"]),
        ("{a,b}{1..2}", ["a1", "a2", "b1", "b2"]),
        ("{x}", ["{x}"]),
        ("{{1..2}}", ["{1}", "{2}"]),
        ("{a,}", ["a", ""]),
        ("a}b", ["a}b"]),
    ],
)
def test_braces(pattern: str, names: list[str]) -> None:
    assert expand(pattern) == names
