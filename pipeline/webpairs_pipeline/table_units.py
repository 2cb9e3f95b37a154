"""One table that somebody else made becomes one part of pairs."""

from collections import Counter

from webpairs_core.funnel import Funnel
from webpairs_core.ledger import Stage
from webpairs_core.schema import PAIRS, PartWriter
from webpairs_crawler.tables.locate import TableInput
from webpairs_crawler.tables.read import read_table
from webpairs_crawler.tables.rows import TableOutcome
from webpairs_crawler.web.inputs import open_input
from webpairs_pipeline.input_unit import FileTask, Taken

NOUN = "rows"


class TableTask(FileTask, frozen=True, kw_only=True):
    """One table to read; its limit counts rows."""

    input: TableInput


def table_tasks(stage: Stage, tables: list[TableInput]) -> list[TableTask]:
    """A task for each table of the recipe, in the order of their names."""
    return [
        TableTask(stage=stage, unit=f"part-t{number:05d}", input=table)
        for number, table in enumerate(tables)
    ]


def read_table_unit(task: TableTask) -> Taken:
    """Read one table and commit it. Raises as `open_input` and `read_table`."""
    path = f"pairs/{task.unit}.parquet"
    outcomes: Counter[str] = Counter()
    n_shortened = 0
    with task.stage.unit(task.unit) as unit:
        with PartWriter(unit.path(path), PAIRS) as pairs, open_input(task.input.url) as stream:
            for batch in read_table(stream, task.input, task.limit):
                pairs.write(batch.pairs)
                outcomes.update(batch.outcomes)
                n_shortened += batch.n_shortened
        unit.rows(path, pairs.rows)
        n_in = sum(outcomes.values())
        kept = outcomes.pop(TableOutcome.OK, 0)
        unit.commit(
            Funnel("crawl", NOUN, n_in, kept, dict(outcomes)),
            info={"n_pairs": pairs.rows, "n_shortened_extras": n_shortened},
        )
    return Taken(n_in, pairs.rows)
