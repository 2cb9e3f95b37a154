"""DuckDB for what only all rows together can say: it stays under a memory limit and spills."""

from pathlib import Path

import duckdb
import msgspec


class Room(msgspec.Struct, frozen=True):
    """What a database may take. None of it changes a result."""

    spill: Path
    """A folder for its own files."""
    threads: int
    memory: str = "2GB"
    """What it holds before it spills; the process takes some 200 MB more."""


def open_database(room: Room) -> duckdb.DuckDBPyConnection:
    """An empty database in memory, which spills to `room.spill`."""
    connection = duckdb.connect(
        config={
            "memory_limit": room.memory,
            "temp_directory": str(room.spill),
            "threads": room.threads,
            "preserve_insertion_order": False,
        }
    )
    # It draws on stdout, terminal or not, and stdout carries the command's result.
    connection.execute("SET enable_progress_bar = false")
    return connection
