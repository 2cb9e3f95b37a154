"""The candidates are a function of the set of pairs: not of the parts they came in, nor of when."""

import random
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairs_fixture import FETCHED, build_crawl, make_pair
from samples_fixture import make_run
from webpairs_core.ledger import DONE
from webpairs_core.records import Pair, TextSource
from webpairs_core.schema import CANDIDATES, read_table
from webpairs_pipeline.stages import STAGES, run_stage

_PAIRS = st.builds(
    lambda n, host, page, position, source: make_pair(
        f"picture {n}",
        url=f"http://{host}.test/{n}.jpg",
        page_url=f"http://pages.test/{page}",
        position=position,
        text_source=source,
    ),
    st.integers(0, 4),
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from([TextSource.ALT, TextSource.TITLE]),
)
BY = st.sampled_from(["url_text", "url", "none"])


def in_parts(pairs: list[Pair], rng: random.Random) -> list[list[Pair]]:
    mixed = rng.sample(pairs, len(pairs))
    cuts = sorted(rng.randrange(len(pairs) + 1) for _ in range(rng.randrange(5)))
    return [mixed[a:b] for a, b in zip([0, *cuts], [*cuts, len(pairs)], strict=True)]


def candidates(parts: list[list[Pair]], threads: int, by: str) -> tuple[object, ...]:
    """SHA-256 of each file of candidates and rejects."""
    with TemporaryDirectory() as folder:
        out = build_crawl(Path(folder), parts)
        run = make_run(out, 1, fetch={"rows_per_part": 7}, dedup={"by": by})
        with run.ledger.lock():
            run_stage(STAGES[1], run)
            run_stage(STAGES[2], msgspec.structs.replace(run, workers=threads))
        return tuple((entry.path, entry.sha256) for entry in run.ledger.outputs("dedup"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_PAIRS, min_size=1, max_size=40), st.integers(0, 2**32), BY)
def test_any_cut_into_parts_gives_the_same_bytes(pairs: list[Pair], seed: int, by: str) -> None:
    rng = random.Random(seed)
    # One page is read once: no two rows agree in all but the time.
    unique = list({(p.key, p.page_url, p.position, p.text_source): p for p in pairs}.values())
    one = candidates([unique], 1, by)
    assert candidates(in_parts(unique, rng), 1, by) == one
    assert candidates(in_parts(unique, rng), 4, by) == one


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_PAIRS, min_size=1, max_size=40), st.integers(0, 2**32))
def test_the_time_of_a_crawl_decides_nothing(pairs: list[Pair], seed: int) -> None:
    rng = random.Random(seed)
    made = []
    for _ in range(2):
        later = [
            msgspec.structs.replace(p, fetched_at=FETCHED + timedelta(seconds=rng.randrange(9)))
            for p in pairs
        ]
        with TemporaryDirectory() as folder:
            run = make_run(build_crawl(Path(folder), in_parts(later, rng)))
            with run.ledger.lock():
                for spec in STAGES[1:3]:
                    run_stage(spec, run)
            assert run.ledger.stage("dedup").is_done(DONE)
            tables = [
                read_table(run.out / entry.path, CANDIDATES).drop_columns("fetched_at")
                for entry in run.ledger.outputs("dedup", "candidates/")
            ]
            made.append([table.to_pylist() for table in tables])
    assert made[0] == made[1]
