"""`webpairs verify` as a user meets it: words, JSON, exit codes."""

import json
from pathlib import Path

import pytest

from command import webpairs
from foreign_tars import CASES, many, picture, put, sample
from samples_fixture import build_shards


def test_sound_shards_of_others(tmp_path: Path) -> None:
    CASES["sound"](tmp_path)
    done = webpairs("verify", tmp_path).ok()
    assert done.out.splitlines() == [
        "4 shards (webdataset), 32 samples: 0 faults, 0 notices",
        str(tmp_path),
    ]


def test_the_worst_comes_first_with_the_reader_it_stops(tmp_path: Path) -> None:
    CASES["no_captions"](tmp_path)
    done = webpairs("verify", tmp_path)
    assert done.code == 3
    assert "33 faults" in done.sentence
    lines = done.out.splitlines()
    assert lines[0] == ("FAULT  no sample has both an image and a caption [nothing_to_train_on]: 1")
    assert "0 of 32 samples; the members are jpg, json, cls" in lines[1]
    assert lines[2] == "       open_clip 3.3.0 hangs: looks for a first sample for ever"
    assert lines[3] == "FAULT  a sample without a caption (.txt) [no_caption]: 32 in 4 files"
    assert lines[4] == "       first: 00000.tar 000000000 (it has jpg, json, cls)"
    assert lines[-1] == "4 shards (webdataset), 32 samples: 33 faults, 0 notices"


def test_notices_are_no_failure(tmp_path: Path) -> None:
    put(tmp_path, many(), sizes=False)
    done = webpairs("verify", tmp_path).ok()
    assert done.out.count("NOTICE") == 2
    assert "open_clip 3.3.0 fails: RuntimeError without --train-num-samples" in done.out


@pytest.mark.parametrize("name", ["sound", "json_int_half"])
def test_json(tmp_path: Path, name: str) -> None:
    CASES[name](tmp_path)
    done = webpairs("verify", tmp_path, "--json", "-q")
    told = json.loads(done.out)
    assert (told["layout"], told["shards"], told["samples"]) == ("webdataset", 4, 32)
    assert told["bytes"] == sum(path.stat().st_size for path in tmp_path.glob("*.tar"))
    assert told["notices"] == []
    if name == "sound":
        assert (done.code, told["faults"]) == (0, [])
        return
    assert done.code == 3
    [fault] = told["faults"]
    assert fault["effects"] == [
        {
            "reader": "datasets 5.2.0",
            "verb": "misleads",
            "how": "cuts the fraction off: 0.5 becomes 0",
        }
    ]
    assert (fault["kind"], fault["severity"], fault["n"]) == ("json_rounded", "fault", 1)
    assert (fault["shard"], fault["keys"]) == ("00002.tar", ["000000020"])


def test_quick_and_workers(tmp_path: Path) -> None:
    cut = picture(15)[:-40]
    put(tmp_path, many(), [*many(8, 7), *sample(15, jpg=cut)], many(16), many(24))
    assert "[image_broken]: 1" in webpairs("verify", tmp_path, "--workers", 2).out
    webpairs("verify", tmp_path, "--quick", "--workers", 1).ok()


def test_our_own(tmp_path: Path) -> None:
    shards = build_shards(tmp_path, 20, samples_per_shard=10)
    done = webpairs("verify", shards, "--quick").ok()
    assert done.out.splitlines()[0] == "2 shards (webpairs), 20 samples: 0 faults, 0 notices"
    (shards / "shard-000001.parquet").unlink()
    done = webpairs("verify", shards)
    assert done.code == 3
    assert "shard-000001.parquet" in done.sentence
    assert "[missing]: 1" in done.out


def test_nothing_to_check(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        done = webpairs("verify", path)
        assert done.code == 3
        assert "holds no manifest.json and no tar" in done.sentence


def test_a_tar_that_may_not_be_read(tmp_path: Path) -> None:
    put(tmp_path, *(many(8 * k) for k in range(4)))
    (tmp_path / "00001.tar").unlink()
    (tmp_path / "00001.tar").symlink_to(tmp_path / "absent")
    (tmp_path / "00002.tar").unlink()
    (tmp_path / "00002.tar").mkdir()
    done = webpairs("verify", tmp_path)
    assert done.code == 3
    assert done.out.count("[unreadable]") == 1
    assert "Traceback" not in done.err
