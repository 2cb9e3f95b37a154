"""A decoder that dies takes one image with it, and nothing else."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from decode_jobs import make_stillborn_job, make_unruly_job
from hostile_web import picture
from webpairs_core.errors import WebpairsError
from webpairs_core.records import Outcome
from webpairs_shards.image.decode_pool import DecodePool, _Worker
from webpairs_shards.image.decode_worker import Factory, image_job
from webpairs_shards.image.processed import Processed
from webpairs_shards.options import ImageSection


def run_all(
    factory: Factory, items: Iterable[bytes], workers: int = 2, timeout_s: float = 60.0
) -> list[Processed]:
    async def gather(pool: DecodePool) -> list[Processed]:
        return await asyncio.gather(*(pool.run(item) for item in items))

    with DecodePool(factory, workers, timeout_s) as pool:
        return asyncio.run(gather(pool))


def outcomes(found: Iterable[Processed]) -> list[str]:
    return [str(each.outcome) for each in found]


@pytest.mark.parametrize("way", [b"abort", b"exit", b"raise", b"memory"])
def test_a_crash_costs_one_image(way: bytes) -> None:
    found = run_all(make_unruly_job, [b"one", way, b"two", b"three", way, b"four"])
    assert outcomes(found) == ["ok", "decoder_crashed", "ok", "ok", "decoder_crashed", "ok"]
    assert [each.data for each in found] == [b"eno", b"", b"owt", b"eerht", b"", b"ruof"]


def test_a_hang_costs_its_time_and_one_image() -> None:
    found = run_all(make_unruly_job, [b"hang", b"one", b"two"], workers=1, timeout_s=0.5)
    assert outcomes(found) == ["decoder_crashed", "ok", "ok"]


def test_a_worker_that_takes_nothing_costs_its_time_and_one_image() -> None:
    """Stopped, it does not even empty its pipe: sending must have an end, too."""
    large = bytes(16 * 2**20)

    async def stop_between(pool: DecodePool) -> list[Processed]:
        first = await pool.run(b"one")
        os.kill(first.width, signal.SIGSTOP)
        return [first, await pool.run(large), await pool.run(b"two")]

    with DecodePool(make_unruly_job, 1, timeout_s=0.5) as pool:
        found = asyncio.run(stop_between(pool))
    assert outcomes(found) == ["ok", "decoder_crashed", "ok"]


def test_an_answer_is_data_and_never_code(tmp_path: Path) -> None:
    """A decoder that a hostile file took over can write what it likes into the pipe."""
    found = run_all(make_unruly_job, [b"touch " + bytes(tmp_path / "evil")], workers=1)
    assert outcomes(found) == ["decoder_crashed"]
    assert not (tmp_path / "evil").exists()


def test_a_worker_that_died_idle_is_nobodys_fault() -> None:
    async def kill_between(pool: DecodePool) -> list[Processed]:
        first = await pool.run(b"one")
        process = pool._workers[0]._process
        assert process.pid == first.width
        process.kill()
        process.wait()
        return [first, await pool.run(b"two")]

    with DecodePool(make_unruly_job, 1) as pool:
        found = asyncio.run(kill_between(pool))
    assert outcomes(found) == ["ok", "ok"]
    assert found[0].width != found[1].width


def test_workers_that_cannot_start_stop_the_run() -> None:
    with pytest.raises(WebpairsError, match="die at their start"):
        run_all(make_stillborn_job, [b"one"], workers=1)


def test_leaving_does_not_wait_for_a_hanging_decoder() -> None:
    began = time.monotonic()

    async def leave_early(pool: DecodePool) -> None:
        task = asyncio.create_task(pool.run(b"hang"))
        await pool.run(b"one")
        task.cancel()

    with DecodePool(make_unruly_job, 2) as pool:
        asyncio.run(leave_early(pool))
        processes = [worker._process for worker in pool._workers]
    assert all(process.poll() is not None for process in processes)
    assert time.monotonic() - began < 60  # the job sleeps for 600 s


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_group_is_not_an_image_that_crashes(way: signal.Signals) -> None:
    async def signal_between(pool: DecodePool) -> list[Processed]:
        first = await pool.run(b"one")
        os.kill(first.width, way)
        return [first, await pool.run(b"two")]

    with DecodePool(make_unruly_job, 1) as pool:
        found = asyncio.run(signal_between(pool))
    assert outcomes(found) == ["ok", "ok"]
    assert found[0].width == found[1].width


def test_leaving_while_a_worker_is_exchanged_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = _Worker(make_unruly_job)
    worker.start()
    is_starting = threading.Event()
    start = _Worker.start

    def slow_start(self: _Worker) -> None:
        is_starting.set()
        time.sleep(0.2)  # long enough for `end` to come in between, if it could
        start(self)

    monkeypatch.setattr(_Worker, "start", slow_start)
    asking = threading.Thread(target=worker.ask, args=(b"abort", 60.0))
    asking.start()
    assert is_starting.wait(60)
    worker.end()
    asking.join()
    worker.close()
    assert worker._process.poll() is not None


def test_results_do_not_depend_on_the_number_of_workers() -> None:
    images = [picture(200 + i, 150, seed=i) for i in range(12)]
    job = image_job(ImageSection(min_side_px=1))
    assert run_all(job, images, workers=1) == run_all(job, images, workers=3)


def test_every_hostile_file_gets_an_outcome(
    data_dir: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    files = sorted(path for path in (data_dir / "hostile").rglob("*") if path.is_file())
    section = ImageSection(min_side_px=1, max_aspect=1e6)
    with caplog.at_level(logging.WARNING):
        found = run_all(image_job(section), [path.read_bytes() for path in files])
    assert len(found) == len(files) > 1000
    assert not caplog.records  # no crash, no time-out
    assert capfd.readouterr() == ("", "")  # the workers share our descriptors: decoders are silent
    by_name = {path.name: each.outcome for path, each in zip(files, found, strict=True)}
    assert by_name["decompression_bomb.gif"] == Outcome.TOO_MANY_PIXELS
    assert by_name["truncated_jpeg.jpg"] == Outcome.CORRUPT
    suite = [path.name for path in files if path.match("pngsuite/pngsuite/*.png")]
    wrong = {name for name in suite if (by_name[name] == Outcome.OK) == name.startswith("x")}
    assert wrong == {"xcsn0g01.png"}  # a wrong checksum in the pixels: Pillow does not look
