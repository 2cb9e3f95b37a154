"""Does a list of very many hosts stall? Each of --hosts names has an address of its own in
127.0.0.0/8, all served by one nginx over real sockets, with --images pictures a host.

Of 100 hosts, two do not exist (their lookup takes half a second, as that of dead names does), one
refuses connections and one accepts them and never answers. Every host is asked for its robots.txt
and opt-out files first. Only the lookup of names is replaced. Printed: cost, outcomes, and the
longest time in which no row was finished.
"""

import argparse
import json
import resource
import socket
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

from PIL import Image

from candidates import build
from nginx import nginx
from webpairs_core.records import Outcome
from webpairs_crawler.images import resolver
from webpairs_pipeline.fetch.progress import FetchProgress
from webpairs_pipeline.recipe import recipe_from
from webpairs_pipeline.run import Run
from webpairs_pipeline.stages import STAGES, run_stage

MISSING, REFUSING, SILENT = (0, 50), (25,), (75,)
"""Kinds of hosts, by their number modulo 100."""
_LOOKUP_S, _MISSING_LOOKUP_S = 0.02, 0.5


def lookup(host: str, _family: int) -> list[tuple[int, str]]:
    """As `getaddrinfo`, which takes its time."""
    number = int(host.removeprefix("h").removesuffix(".example"))
    if number % 100 in MISSING:
        time.sleep(_MISSING_LOOKUP_S)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    time.sleep(_LOOKUP_S)
    return [(socket.AF_INET, f"127.{1 + number // 65_536}.{number // 256 % 256}.{number % 256}")]


def main() -> None:
    """Serve, fetch, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=20_000)
    parser.add_argument("--images", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, _silent() as silent:
        folder, out = Path(name, "pictures"), Path(name, "out")
        folder.mkdir()
        for i in range(args.images):
            Image.effect_noise((320, 256), 40 + i).convert("RGB").save(folder / f"{i}.jpg")
        with nginx(folder, everywhere=True) as served:
            ports = {**dict.fromkeys(REFUSING, 1), **dict.fromkeys(SILENT, silent.getsockname()[1])}
            urls = (
                f"http://h{host}.example:{ports.get(host % 100, served.http_port)}/{image}.jpg"
                for image in range(args.images)
                for host in range(args.hosts)
            )
            build(out, urls, 1000)
            print(json.dumps(fetched(out, args.hosts)))


def _silent() -> socket.socket:
    """Connections are made by the kernel; nobody answers."""
    made = socket.socket()
    made.bind(("", 0))
    made.listen(4096)
    return made


def fetched(out: Path, n_hosts: int) -> dict[str, object]:
    """Run the stage; what it cost and what became of the rows."""
    setattr(resolver, "_system_lookup", lookup)  # noqa: B010 - a name of that module
    add = FetchProgress.add
    finished = [time.monotonic()]

    def noted(self: FetchProgress, outcome: Outcome, n_bytes: int) -> None:
        finished.append(time.monotonic())
        add(self, outcome, n_bytes)

    setattr(FetchProgress, "add", noted)  # noqa: B010
    raw = {
        "name": "hosts",
        "crawl": {"private_networks": ["127.0.0.0/8"]},
        "fetch": {"concurrency": 256, "retries": 0, "connect_timeout_s": 5, "timeout_s": 5},
    }
    run = Run(recipe=recipe_from(raw, [], "hosts"), out=out, workers=2)
    began, cpu = time.monotonic(), time.process_time()
    made = run_stage(next(spec for spec in STAGES if spec.name == "fetch"), run)
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    [funnel] = made.funnels
    gaps = [after - before for before, after in pairwise(finished)]
    return {
        "hosts": n_hosts,
        "rows": funnel.rows_in,
        "outcomes": dict(Counter({"ok": funnel.kept}) + Counter(funnel.rejected)),
        "wall_s": round(took, 1),
        "cpu_ms_a_host": round(1000 * cpu / n_hosts, 2),
        "longest_gap_s": round(max(gaps), 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


if __name__ == "__main__":
    main()
