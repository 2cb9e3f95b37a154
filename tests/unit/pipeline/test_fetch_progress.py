"""What a person reads while images are fetched."""

import asyncio
import logging
from collections import Counter
from typing import NamedTuple

import pytest

from webpairs_core import progress as core_progress
from webpairs_core.records import Outcome
from webpairs_pipeline.fetch import progress
from webpairs_pipeline.fetch.progress import FetchProgress, warning


class Hosts(NamedTuple):
    n_hosts: int
    pause_s: float = 0.0


def test_the_line_says_speed_success_kinds_hosts_and_time_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(core_progress, "_LINE_EVERY_S", 0.0)
    monkeypatch.setattr(progress, "_NOTE_EVERY_S", 0.0)
    with (
        caplog.at_level(logging.INFO),
        FetchProgress(total=8, warn_below=0.0, hosts=Hosts(17)) as shown,
    ):
        shown.resume(4)
        for outcome in (Outcome.OK, Outcome.OK, Outcome.DNS, Outcome.OK):
            shown.add(outcome, 1000)
    last = caplog.messages[-1]
    assert last.startswith("fetch: 8 of 8 images, ")
    for part in ("MB/s", "75% ok", "dns 1", "17 hosts", "0 s left"):
        assert part in last, last


def test_a_wait_for_hosts_is_told_while_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(core_progress, "_LINE_EVERY_S", 0.0)
    monkeypatch.setattr(progress, "_NOTE_EVERY_S", 0.01)

    async def wait() -> None:
        with FetchProgress(total=2, warn_below=0.0, hosts=Hosts(1, pause_s=42.0)) as shown:
            task = asyncio.create_task(shown.tell_now_and_then())
            await asyncio.sleep(0)
            while not caplog.messages:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.01)
            task.cancel()

    with caplog.at_level(logging.INFO):
        asyncio.run(asyncio.wait_for(wait(), 30))
    assert "all hosts left want a pause, the next for 42 s, 1 host, " in caplog.messages[0]


def test_a_short_list_is_warned_of_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    with FetchProgress(total=3, warn_below=0.5, hosts=Hosts(1)) as shown:
        for _ in range(3):
            shown.add(Outcome.REFUSED_PRIVATE, 0)
        assert not caplog.records
    assert "crawl.private_networks" in caplog.messages[0]


def test_a_low_success_rate_is_said_once_with_its_likeliest_cause(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "_NOTE_EVERY_S", 0.0)
    with FetchProgress(total=1000, warn_below=0.5, hosts=Hosts(1)) as shown:
        for i in range(400):
            shown.add(Outcome.OK if i % 33 == 0 else Outcome.DNS, 0)
    [record] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert record.message == (
        "only 4% of the images are had: 96% dns "
        "(is the resolver reachable, and do the hosts still exist?)"
    )


def test_no_warning_without_reason() -> None:
    assert warning(Counter({Outcome.OK: 6, Outcome.DNS: 4}), 0.5) == ""
    assert warning(Counter(), 0.5) == ""
    assert "http_4xx" in warning(Counter({Outcome.OK: 1, Outcome.HTTP_4XX: 9}), 0.5)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.OK])
def test_every_outcome_has_a_sentence(outcome: Outcome) -> None:
    assert str(outcome) in warning(Counter({outcome: 1}), 0.5)
