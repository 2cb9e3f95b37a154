"""When a host may be asked, by a clock that the tests set."""

import pytest

from webpairs_crawler.frontier.pace import (
    _IDLE_HOSTS,
    MAX_DELAY_S,
    MAX_PAUSE_S,
    OWN_LATENCY_S,
    Hosts,
)
from webpairs_crawler.frontier.plan import CrawlPlan


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def hosts(
    clock: Clock, per_host: int = 1, delay_s: float = 0.0, autothrottle: bool = True
) -> Hosts:
    return Hosts(
        CrawlPlan(
            seeds=(),
            max_pages=1,
            max_depth=1,
            allowed_domains=(),
            per_host=per_host,
            delay_s=delay_s,
            autothrottle=autothrottle,
        ),
        clock,
    )


def delay_after(line: Hosts, clock: Clock) -> float:
    """The pause that a host with work gets after an ask."""
    line.add_work(1, 2)
    clock.now += 10_000
    assert line.take() == (1, None)
    line.release(1)
    wait = line.wait_s()
    assert wait is not None
    return wait


def test_per_host_in_flight_at_once_when_there_is_no_delay() -> None:
    clock = Clock()
    line = hosts(clock, per_host=3)
    line.add_work(1, 5)
    assert [line.take() for _ in range(4)] == [(1, None)] * 3 + [None]
    assert line.wait_s() is None
    line.release(1)
    assert line.wait_s() == 0
    assert line.take() == (1, None)


def test_hosts_take_turns() -> None:
    clock = Clock()
    line = hosts(clock, per_host=9)
    for key in (5, 3, 9):
        line.add_work(key, 2)
    assert [line.take() for _ in range(7)] == [(k, None) for k in (5, 3, 9, 5, 3, 9)] + [None]


def test_the_delay_is_between_asks_not_after_answers() -> None:
    clock = Clock()
    line = hosts(clock, per_host=2, delay_s=1.5)
    line.add_work(1, 3)
    assert line.take() == (1, None)
    assert line.take() is None
    assert line.wait_s() == 1.5
    clock.now += 1.5
    assert line.take() == (1, None)
    clock.now += 1.5
    assert line.take() is None, "two are in flight"
    line.release(1)
    assert line.take() == (1, None)


def test_a_host_without_work_keeps_its_delay() -> None:
    clock = Clock()
    line = hosts(clock, delay_s=5)
    line.add_work(1)
    assert line.take()
    line.release(1)
    assert (line.n_active, line.wait_s()) == (0, None)
    line.add_work(1)
    assert line.wait_s() == 5


@pytest.mark.parametrize(("asked", "kept"), [(7.0, 7.0), (1e6, MAX_DELAY_S), (-3.0, 0.0)])
def test_crawl_delay(asked: float, kept: float) -> None:
    clock = Clock()
    line = hosts(clock)
    line.set_delay(1, asked)
    assert delay_after(line, clock) == kept


def test_the_longest_delay_counts() -> None:
    clock = Clock()
    line = hosts(clock, delay_s=3)
    line.set_delay(1, 2)
    assert delay_after(line, clock) == 3
    line.set_delay(1, 4)
    assert delay_after(line, clock) == 4
    line.observe(1, 20.0 + OWN_LATENCY_S, is_ok=True)
    assert delay_after(line, clock) == 10


@pytest.mark.parametrize(("asked", "kept"), [(30.0, 30.0), (1e9, MAX_PAUSE_S)])
def test_a_pause_holds_back_one_host_only(asked: float, kept: float) -> None:
    clock = Clock()
    line = hosts(clock)
    line.add_work(1)
    line.add_work(2)
    line.pause(1, asked)
    line.pause(1, 0.5)
    assert line.take() == (2, None)
    assert line.take() is None
    assert line.wait_s() == kept
    clock.now += kept
    assert line.take() == (1, None)


def test_what_was_put_back_waits_for_its_time_and_goes_first() -> None:
    clock = Clock()
    line = hosts(clock)
    line.add_work(1, 3)
    assert line.take()
    line.put_back(1, 77, 10)
    assert line.take() == (1, None)
    line.release(1)
    clock.now += 10
    assert line.take() == (1, 77)
    line.put_back(1, 77, 10)
    assert line.take() == (1, None)
    line.release(1)
    assert (line.n_queued, line.n_returned, line.wait_s()) == (0, 1, 10)
    clock.now += 10
    assert line.take() == (1, 77)
    line.release(1)
    assert (line.n_active, line.n_returned, line.wait_s()) == (0, 0, None)


def test_throttle_goes_to_the_latency_by_halves() -> None:
    clock = Clock()
    line = hosts(clock)
    for expected in (0.5, 0.75, 0.875):
        line.observe(1, 1 + OWN_LATENCY_S, is_ok=True)
        assert delay_after(line, clock) == pytest.approx(expected)
    line.observe(1, 0.002, is_ok=True)
    assert delay_after(line, clock) == pytest.approx(0.4375)


def test_an_error_lengthens_the_throttle_but_never_shortens_it() -> None:
    clock = Clock()
    line = hosts(clock)
    line.observe(1, 2 + OWN_LATENCY_S, is_ok=False)
    assert delay_after(line, clock) == pytest.approx(1)
    line.observe(1, 0.002, is_ok=False)
    assert delay_after(line, clock) == pytest.approx(1)


def test_throttle_has_a_ceiling() -> None:
    clock = Clock()
    line = hosts(clock)
    for _ in range(20):
        line.observe(1, 999, is_ok=True)
    assert delay_after(line, clock) == MAX_DELAY_S


@pytest.mark.parametrize("latency_s", [0.0, 0.002, 0.03])
def test_a_fast_host_is_not_held_back(latency_s: float) -> None:
    """After one slow answer too: the pause dies away and does not linger in tiny amounts."""
    clock = Clock()
    line = hosts(clock)
    line.observe(1, 3, is_ok=True)
    for _ in range(12):
        line.observe(1, latency_s, is_ok=True)
    assert delay_after(line, clock) == 0


def test_no_throttle_when_it_is_off() -> None:
    clock = Clock()
    line = hosts(clock, autothrottle=False)
    line.observe(1, 30, is_ok=True)
    assert delay_after(line, clock) == 0


def test_a_shorter_delay_counts_at_once() -> None:
    clock = Clock()
    line = hosts(clock)
    line.set_delay(1, 50)
    line.add_work(1, 2)
    assert line.take()
    line.release(1)
    assert line.wait_s() == 50
    line.set_delay(1, 2)
    assert line.wait_s() == 2


def test_memory_of_idle_hosts_and_old_entries_is_bounded() -> None:
    clock = Clock()
    line = hosts(clock)
    line.set_delay(-1, 60)
    line.add_work(-1)
    assert line.take()
    line.release(-1)
    for key in range(2 * _IDLE_HOSTS):
        line.add_work(key)
        assert line.take()
        line.release(key)
    assert len(line._hosts) <= _IDLE_HOSTS + 1
    assert -1 in line._hosts, "it may not be asked yet: that must not be forgotten"
    line.add_work(5, 10)
    for i in range(100_000):
        line.pause(5, i / 1000)
    assert len(line._line) < 2 * len(line._hosts) + 1002


def test_twenty_thousand_hosts_are_asked_evenly() -> None:
    clock = Clock()
    line = hosts(clock, per_host=1, delay_s=1)
    n_hosts = 20_000
    for key in range(n_hosts):
        line.add_work(key, 1000 if key == 0 else 3)
    for _ in range(3):
        taken = [line.take() for _ in range(n_hosts)]
        assert sorted(t[0] for t in taken if t) == list(range(n_hosts))
        assert line.take() is None
        for key in range(n_hosts):
            line.release(key)
        assert line.wait_s() == 1
        clock.now += 1
    assert line.take() == (0, None)
    assert line.n_active == 1
