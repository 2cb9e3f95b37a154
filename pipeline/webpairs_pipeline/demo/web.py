"""The demo web as a `Site`, with its truth: a pure function of seed, number of pages and port.

The pictures do not depend on the port. They are drawn once into OUT/demo (some seconds) and found
there again as long as neither the plan nor the code that draws has changed.
"""

import logging
from itertools import accumulate
from pathlib import Path

import msgspec
import PIL

from webpairs_core import files
from webpairs_core.keys import digest
from webpairs_pipeline.demo.draft import N_HOSTS, Draft
from webpairs_pipeline.demo.labelled import write_labelled
from webpairs_pipeline.demo.pages import HOST_SHARES, write_pages
from webpairs_pipeline.demo.pictures import Picture, make_files
from webpairs_pipeline.demo.truth import Truth, settle
from webpairs_pipeline.recipe import ServeSection
from webpairs_pipeline.site import Site, host_name

log = logging.getLogger(__name__)

_CODE = ("scenes.py", "pictures.py", "labelled.py")


class _Drawn(msgspec.Struct, frozen=True):
    """What OUT/demo holds."""

    digest: str
    lengths: list[int]


def demo_site(section: ServeSection, out: Path) -> Site:
    """The web with its pictures; draws what OUT/demo lacks."""
    draft = make_draft(section)
    blob, lengths = _drawn(draft.pictures, out / "demo")
    offsets = [0, *accumulate(lengths)]
    answers = dict(draft.answers)
    for place, (index, answer) in draft.places.items():
        answers[place] = msgspec.structs.replace(
            answer, file=str(blob), offset=offsets[index], length=lengths[index]
        )
    return Site(
        hosts=tuple(host_name(i) for i in range(N_HOSTS)),
        seeds=tuple(f"{draft.origin(host)}/" for host in HOST_SHARES),
        answers=answers,
    )


def demo_truth(section: ServeSection) -> Truth:
    """What the pipeline must make of it with recipes/demo.toml."""
    draft = make_draft(section)
    return Truth(tuple(draft.pages), settle(draft.pairs), tuple(draft.forbidden))


def make_draft(section: ServeSection) -> Draft:
    """The web before its pictures are drawn."""
    draft = Draft(section.seed, section.port)
    write_pages(draft, section.pages)
    return draft


def _drawn(pictures: list[Picture], folder: Path) -> tuple[Path, list[int]]:
    """The file of all pictures and their lengths in bytes."""
    blob, record = folder / "pictures.bin", folder / "pictures.json"
    wanted = digest([PIL.__version__, _code(), msgspec.to_builtins(pictures)])
    if record.exists():
        drawn = msgspec.json.decode(record.read_bytes(), type=_Drawn)
        if drawn.digest == wanted:
            return blob, drawn.lengths
    log.info("demo: drawing %s pictures, once", f"{len(pictures):,}")
    files.remove_tree(folder)
    folder.mkdir(parents=True)
    made = make_files(pictures)
    blob.write_bytes(b"".join(made))
    write_labelled(folder)
    # Last: what is there without this record is drawn again.
    lengths = [len(data) for data in made]
    files.write_atomic(record, msgspec.json.encode(_Drawn(wanted, lengths)))
    return blob, lengths


def _code() -> list[str]:
    return [(Path(__file__).with_name(name)).read_text(encoding="utf-8") for name in _CODE]
