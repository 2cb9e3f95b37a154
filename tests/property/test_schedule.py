"""The schedule of the image fetch, with the clock in the test's hand: politeness always holds."""

from collections import Counter, defaultdict, deque
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_crawler.images import schedule as module
from webpairs_crawler.images.schedule import FIRST_PAUSE_S, LONGEST_PAUSE_S, Schedule
from webpairs_crawler.options import FetchSection, HostBudget

HOSTS = [f"h{i}.example" for i in range(6)]
SLOW_CDN = HostBudget(match="h0.*", per_host=5, delay_s=0.25)


class World:
    """Serves a schedule to its end and notes when each host was asked."""

    def __init__(self, section: FetchSection, took_s: dict[str, float]) -> None:
        self.schedule: Schedule[tuple[str, int]] = Schedule(section)
        self.took_s = took_s
        self.now = 0.0
        self.asked: defaultdict[str, list[float]] = defaultdict(list)
        self.started: list[float] = []
        self.most_busy: Counter[str] = Counter()
        self.most = 0
        self.order: list[tuple[str, int]] = []

    def run(self, places: int = 1000) -> None:
        busy: list[tuple[float, str]] = []
        n_busy: Counter[str] = Counter()
        for _ in range(100_000):
            while len(busy) < places and (item := self.schedule.take(self.now)) is not None:
                host = item[0]
                self.order.append(item)
                self.asked[host].append(self.now)
                self.started.append(self.now)
                n_busy[host] += 1
                self.most_busy[host] = max(self.most_busy[host], n_busy[host])
                busy.append((self.now + self.took_s[host], host))
            busy.sort()
            ends = busy[0][0] if busy else float("inf")
            wakes = self.schedule.wake_at() if len(busy) < places else float("inf")
            if ends == wakes == float("inf"):
                return
            self.now = max(self.now, min(ends, wakes))
            if ends <= self.now:
                _, host = busy.pop(0)
                n_busy[host] -= 1
                self.schedule.succeeded(host)
                self.schedule.release(host, self.now)
        raise AssertionError("it never ends")


@settings(max_examples=150, deadline=None)
@given(
    counts=st.lists(st.integers(0, 12), min_size=6, max_size=6),
    took=st.lists(st.sampled_from([0.0, 0.01, 0.5, 3.0]), min_size=6, max_size=6),
    per_host=st.integers(1, 4),
    delay_s=st.sampled_from([0.0, 0.1, 1.0]),
    max_per_s=st.sampled_from([0.0, 2.0, 50.0]),
    places=st.integers(1, 9),
)
def test_every_item_is_served_once_and_no_host_is_pressed(
    counts: list[int],
    took: list[float],
    per_host: int,
    delay_s: float,
    max_per_s: float,
    places: int,
) -> None:
    section = FetchSection(
        per_host=per_host, delay_s=delay_s, max_per_s=max_per_s, hosts=(SLOW_CDN,)
    )
    world = World(section, dict(zip(HOSTS, took, strict=True)))
    items = [(host, i) for host, n in zip(HOSTS, counts, strict=True) for i in range(n)]
    for host, i in items:
        world.schedule.add(host, (host, i))
    world.run(places)
    assert sorted(world.order) == sorted(items)
    assert world.schedule.n_waiting == world.schedule.n_hosts == 0
    for host in HOSTS:
        mine = [i for name, i in world.order if name == host]
        assert mine == sorted(mine)  # first come, first served
        allowed = SLOW_CDN.per_host if host == HOSTS[0] else per_host
        assert world.most_busy[host] <= allowed
        pause = SLOW_CDN.delay_s if host == HOSTS[0] else delay_s
        times = world.asked[host]
        assert all(b - a >= pause - 1e-9 for a, b in pairwise(times))
    if max_per_s:
        starts = world.started
        assert all(b - a >= 1 / max_per_s - 1e-9 for a, b in pairwise(starts))


def test_a_slow_host_never_idles_the_others() -> None:
    world = World(FetchSection(per_host=1), {"slow": 100.0, "fast": 0.1})
    for i in range(50):
        world.schedule.add("slow", ("slow", i))
        world.schedule.add("fast", ("fast", i))
    world.run(places=2)
    assert max(world.asked["fast"]) < 10


def test_the_first_request_to_a_host_is_alone() -> None:
    schedule: Schedule[int] = Schedule(FetchSection(per_host=3))
    for i in range(5):
        schedule.add("a", i)
    assert (schedule.take(0.0), schedule.take(0.0)) == (0, None)
    schedule.release("a", 1.0)
    assert [schedule.take(1.0) for _ in range(4)] == [1, 2, 3, None]


def test_failures_in_a_row_are_left_alone_longer_and_longer() -> None:
    schedule: Schedule[int] = Schedule(FetchSection(per_host=1))
    schedule.add("a", 0)
    now, pauses = 0.0, deque[float]()
    for i in range(12):
        assert schedule.take(now) == i
        assert schedule.failed("a", now) == i + 1
        schedule.add("a", i + 1)
        schedule.release("a", now)
        assert schedule.take(now) is None
        pauses.append(schedule.wake_at() - now)
        now = schedule.wake_at()
    expected = [min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**i) for i in range(12)]
    assert all(0.75 * e <= p <= 1.25 * e for p, e in zip(pauses, expected, strict=True))
    assert len({p / e for p, e in zip(pauses, expected, strict=True)}) > 6  # jitter
    assert schedule.take(now) == 12
    schedule.succeeded("a")
    assert schedule.failed("a", now) == 1


def test_a_host_that_asks_for_time_gets_it() -> None:
    schedule: Schedule[int] = Schedule(FetchSection())
    schedule.add("a", 0)
    schedule.take(0.0)
    schedule.failed("a", 0.0, wait_s=45.0)
    schedule.release("a", 0.0)
    schedule.add("a", 1)
    assert schedule.take(44.9) is None
    assert schedule.wake_at() == 45.0
    assert schedule.take(45.0) == 1


def test_a_crawl_delay_is_remembered_while_nobody_waits() -> None:
    schedule: Schedule[int] = Schedule(FetchSection())
    schedule.add("a", 0)
    schedule.take(0.0)
    schedule.slow_down("a", 10.0, 0.0)
    schedule.release("a", 0.5)
    schedule.add("a", 1)
    assert schedule.take(9.9) is None
    assert schedule.take(10.0) == 1
    schedule.release("a", 10.0)
    assert schedule.take(20.0) is None
    assert schedule.n_hosts == 0  # forgotten when its pause is over


def test_giving_up_one_origin_leaves_the_others_of_its_host() -> None:
    schedule: Schedule[str] = Schedule(FetchSection(per_host=1))
    for item in ("http-1", "https-1", "http-2", "https-2"):
        schedule.add("a", item)
    gone = schedule.give_up("a", "http://a", lambda item: item.startswith("http-"))
    assert gone == ["http-1", "http-2"]
    assert schedule.is_down("http://a")
    assert not schedule.is_down("https://a")
    assert schedule.take(0.0) == "https-1"
    schedule.release("a", 0.0)
    assert schedule.take(0.0) == "https-2"
    assert schedule.n_waiting == 0


def test_a_url_that_fails_alone_costs_its_host_a_short_pause() -> None:
    schedule: Schedule[int] = Schedule(FetchSection(per_host=1))
    schedule.add("a", 0)
    now = 0.0
    for i in range(9):
        assert schedule.take(now) == i
        assert schedule.failed("a", now, is_alone=True) == i + 1  # it counts all the same
        schedule.add("a", i + 1)
        schedule.release("a", now)
        assert schedule.take(now) is None
        pause = schedule.wake_at() - now
        assert 0.5 * FIRST_PAUSE_S <= pause <= 1.5 * FIRST_PAUSE_S
        now += pause


def test_the_oldest_origin_given_up_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_DOWN", 2)
    schedule: Schedule[int] = Schedule(FetchSection())
    for i in range(3):
        schedule.add(f"h{i}", i)
        assert schedule.take(0.0) == i
        schedule.give_up(f"h{i}", f"http://h{i}", lambda _: True)
    assert [schedule.is_down(f"http://h{i}") for i in range(3)] == [False, True, True]


def test_patterns_of_hosts_know_no_case() -> None:
    section = FetchSection(hosts=(HostBudget(match="*.Flickr.COM", per_host=7),))
    schedule: Schedule[int] = Schedule(section)
    for i in range(7):
        schedule.add("a.flickr.com", i)
    assert schedule.take(0.0) == 0
    schedule.release("a.flickr.com", 0.0)
    assert [schedule.take(0.0) for _ in range(6)] == [1, 2, 3, 4, 5, 6]


def test_ready_hosts_take_turns() -> None:
    schedule: Schedule[str] = Schedule(FetchSection(per_host=2))
    for name in "ab":
        for _ in range(3):
            schedule.add(name, name)
    assert [schedule.take(0.0) for _ in range(2)] == ["a", "b"]
    for name in "ab":
        schedule.release(name, 0.0)
    assert [schedule.take(0.0) for _ in range(4)] == ["a", "b", "a", "b"]
