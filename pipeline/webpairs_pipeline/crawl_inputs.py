"""Which files the crawl stage reads, beside the live web.

The list is a unit of the stage: what a glob, a bucket or a listing gave on the first run is what
every later run goes by, so a resumed stage reads the same files under the same names, and a
finished one never asks the network.
"""

from pathlib import Path

import msgspec

from webpairs_core.errors import PartCorrupt
from webpairs_core.ledger import Stage
from webpairs_crawler.archive.locate import Input, locate
from webpairs_crawler.options import CrawlSection
from webpairs_crawler.tables.locate import TableInput, locate_tables
from webpairs_crawler.web.inputs import find, is_remote, open_input

UNIT = "inputs"
_PATH = "run/inputs.json"


class CrawlInputs(msgspec.Struct, frozen=True):
    """The files in the order in which their units are numbered."""

    archives: list[Input] = []
    tables: list[TableInput] = []


def crawl_inputs(stage: Stage, section: CrawlSection) -> CrawlInputs:
    """The files that a stage works on: found now, or on its first run.

    Raises RecipeError, StorageError, PartCorrupt with a sentence on what cannot be found or is no
    table with the columns that the recipe names.
    """
    if stage.is_done(UNIT):
        return _read(stage.root / _PATH)
    # Here because it brings pyarrow, and every command imports this module for `input_facts`.
    from webpairs_crawler.tables.read import check_table

    found = CrawlInputs(locate(section.warc), locate_tables(section.tables))
    for table in {(t.url_column, t.text_column): t for t in reversed(found.tables)}.values():
        with open_input(table.url) as stream:
            check_table(stream, table)
    with stage.unit(UNIT) as unit:
        unit.path(_PATH).write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
        unit.commit()
    return found


def _read(path: Path) -> CrawlInputs:
    try:
        return msgspec.json.decode(path.read_bytes(), type=CrawlInputs)
    except msgspec.DecodeError as error:
        raise PartCorrupt(f"{path} is damaged ({error}): crawl again with --fresh") from None


def input_facts(section: CrawlSection) -> list[tuple[str, int, int]]:
    """Path, size in bytes and time of change (ns) of each local file that the recipe names.

    A change there reopens the stage. What lies elsewhere goes by its name: to ask for it would
    take the network each time. Raises RecipeError when a path or glob names no file.
    """
    archives = locate([pattern for pattern in section.warc if not is_remote(pattern)])
    tables = find([t.path for t in section.tables if not is_remote(t.path)], "crawl.tables")
    return [_fact(url) for url in (*(a.url for a in archives), *(t.url for t in tables))]


def _fact(url: str) -> tuple[str, int, int]:
    if is_remote(url):  # named by a local listing
        return url, 0, 0
    stat = Path(url).stat()
    return url, stat.st_size, stat.st_mtime_ns
