"""The census on real pages: what the sources beside `img src + alt` are worth."""

import json
import subprocess
import sys
from pathlib import Path

CENSUS = Path(__file__).parents[2] / "benchmarks" / "census.py"


def test_at_least_thirty_percent_more_good_pairs(data_dir: Path) -> None:
    done = subprocess.run(
        [sys.executable, CENSUS, data_dir / "warc", "--json"], stdout=subprocess.PIPE, check=True
    )
    census = json.loads(done.stdout)
    assert census["pages"] == 298
    assert census["baseline"] > 2_500
    assert census["gain"] >= 0.30
    assert "og_title" in census["sources"]
    # The weak source has no part in the gain.
    strong = sum(
        count["pairs"]
        for name, count in census["sources"].items()
        if name not in ("og_title", "img src + alt")
    )
    assert census["new"] == strong
    for source in ("figcaption", "caption_class", "title", "data_attr", "json_ld", "og", "anchor"):
        assert census["sources"][source]["pairs"] > 0, source
