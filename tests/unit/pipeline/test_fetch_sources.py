"""Which part is opened next: a giant host never keeps the others waiting."""

from pathlib import Path

from candidates_fixture import build_candidates
from webpairs_pipeline.fetch.sources import Line, Source, of_candidates


def source(unit: str, host: str = "") -> Source:
    return Source(unit=unit, n_rows=10, path=Path(unit), only_host=host)


def test_the_parts_of_a_giant_step_back() -> None:
    giants = [source(f"g{i}", "giant") for i in range(5)]
    others = [source("a"), source("b", "small"), source("c")]
    line = Line([*giants, *others])
    opened = [line.next() for _ in range(5)]
    assert [s.unit for s in opened if s] == ["g0", "g1", "a", "b", "c"]
    assert [line.next(), line.is_empty] == [None, False]
    line.done(giants[0])
    assert [line.next(), line.next()] == [giants[2], None]
    for done in giants[1:4]:
        line.done(done)
        line.next()
    assert line.is_empty
    assert line.next() is None


def test_a_part_of_one_host_is_known_by_its_statistics(tmp_path: Path) -> None:
    urls = [f"http://h{i // 4}.example/{i}.jpg" for i in range(8)]
    out = build_candidates(tmp_path, urls, rows_per_part=4)
    hosts = [of_candidates(path, 4).only_host for path in sorted(out.glob("candidates/*"))]
    mixed = build_candidates(tmp_path / "mixed", urls, rows_per_part=8)
    [both] = mixed.glob("candidates/*")
    assert hosts == ["h0.example", "h1.example"]
    assert of_candidates(both, 8).only_host == ""
