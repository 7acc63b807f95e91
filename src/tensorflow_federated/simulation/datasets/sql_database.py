"""Examples of clients in an SQLite file of TFF's layout, read without trust in the file.

The layout: a table `examples(split_name TEXT, client_id TEXT, serialized_example_proto BLOB)` and a
table `client_metadata(client_id TEXT, split_name TEXT, num_examples INTEGER)`. Each blob is a
serialized `tf.train.Example`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from tensorflow_federated.core import errors
from tensorflow_federated.simulation.datasets import example_proto

_T = TypeVar("_T")

_COLUMNS = {
    "examples": {"split_name", "client_id", "serialized_example_proto"},
    "client_metadata": {"client_id", "split_name", "num_examples"},
}


@dataclasses.dataclass(frozen=True)
class SplitSize:
    """How much a split of a data set holds.

    Attributes:
      clients: The number of clients.
      examples: The number of examples of all clients.
    """

    clients: int
    examples: int


@dataclasses.dataclass(frozen=True)
class SqlDatabase:
    """A read-only view of an SQLite file.

    Each method opens the file and closes it again, so that an instance can be used by many threads,
    copied to other processes, and leaves nothing open.

    Attributes:
      path: The file.
    """

    path: pathlib.Path

    def split_sizes(self) -> dict[str, SplitSize]:
        """Returns the size of each split, as `client_metadata` tells it."""
        query = (
            "SELECT split_name, COUNT(DISTINCT client_id), SUM(num_examples) "
            "FROM client_metadata GROUP BY split_name ORDER BY split_name"
        )
        with _reading(self.path) as connection:
            return {
                _expect(str, split): SplitSize(_expect(int, clients), _expect(int, count))
                for split, clients, count in connection.execute(query)
            }

    def client_ids(self, split: str) -> list[str]:
        """Returns the ids of the clients of a split, sorted."""
        query = "SELECT DISTINCT client_id FROM client_metadata WHERE split_name = ?"
        with _reading(self.path) as connection:
            return sorted(_expect(str, row[0]) for row in connection.execute(query, (split,)))

    def serialized_examples(self, split: str, client_id: str, limit: int = -1) -> list[bytes]:
        """Returns one client's serialized examples, in the order in which they were written.

        Args:
          split: The split.
          client_id: The client.
          limit: Return so many at most; all, if negative.
        """
        query = (
            "SELECT serialized_example_proto FROM examples "
            "WHERE split_name = ? AND client_id = ? ORDER BY rowid LIMIT ?"
        )
        with _reading(self.path) as connection:
            rows = connection.execute(query, (split, client_id, limit))
            return [_expect(bytes, row[0]) for row in rows]

    def check_layout(self) -> None:
        """Checks that the file is an SQLite database of the layout, cheaply.

        Raises:
          DatasetError: If it is not.
        """
        with _reading(self.path) as connection:
            schema = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
            problems = [
                f"{kind} `{name}`: only tables and indices are expected"
                for kind, name, sql in schema
                if kind not in ("table", "index") or "VIRTUAL" in str(sql).upper().split()[:2]
            ]
            for table, expected in _COLUMNS.items():
                rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
                missing = expected - {row[0] for row in rows}
                if missing:
                    problems.append(f"table `{table}`: has no {', '.join(sorted(missing))}")
        if problems:
            raise _refused(self.path, problems)

    def check_splits(self, expected: Iterable[str]) -> None:
        """Checks that the file has the splits that are expected, of any size.

        Raises:
          DatasetError: If it has not.
        """
        found = self.split_sizes()
        problems = [f"split `{split}`: not there" for split in expected if split not in found]
        if problems:
            there = ", ".join(f"`{split}`" for split in found) or "none"
            raise _refused(self.path, [*problems, f"splits: {there}"])

    def check_sizes(self, expected: Mapping[str, SplitSize]) -> None:
        """Checks that the file has the splits that are expected, of the size that is expected.

        Raises:
          DatasetError: If it has not.
        """
        found = self.split_sizes()
        problems = [
            f"split `{split}`: expected {_size_text(size)}, found {_size_text(found.get(split))}"
            for split, size in expected.items()
            if found.get(split) != size
        ]
        if problems:
            raise _refused(self.path, problems)

    def check_integrity(self) -> None:
        """Reads the whole file and checks that it is not damaged.

        Raises:
          DatasetError: If it is.
        """
        with _reading(self.path) as connection:
            answers = [row[0] for row in connection.execute("PRAGMA quick_check(5)")]
        if answers != ["ok"]:
            raise _refused(self.path, [f"integrity: {answer}" for answer in answers])

    def add_index(self) -> None:
        """Adds the index without which finding a client's examples means reading the whole file.

        The only method that writes; for a file of our own that nobody else has open.
        """
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            _distrust(connection)
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute(
                "CREATE INDEX IF NOT EXISTS tff_ng_examples_of_client "
                "ON examples (split_name, client_id)"
            )

    def has_index(self) -> bool:
        """Returns whether an index leads to the examples of a client."""
        query = (
            "SELECT COUNT(*) FROM pragma_index_list(?) AS list, "
            "pragma_index_info(list.name) AS info WHERE info.name = 'client_id' AND info.seqno <= 1"
        )
        with _reading(self.path) as connection:
            return connection.execute(query, ("examples",)).fetchone()[0] > 0


@contextlib.contextmanager
def _reading(path: pathlib.Path) -> Iterator[sqlite3.Connection]:
    """Opens a file for reading only; errors of SQLite become ours."""
    try:
        # `immutable` reads without locks and journals, which a file in a read-only folder cannot
        # have.
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
            _distrust(connection)
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _refused(path, [f"SQLite: {error}"]) from error


def _distrust(connection: sqlite3.Connection) -> None:
    """Keeps a hostile file from running its own SQL functions and from taking all memory."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA mmap_size = 0")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, example_proto.MAX_BYTES)


def _expect(expected: type[_T], value: object) -> _T:
    if isinstance(value, expected):
        return value
    raise sqlite3.DataError(f"a value is of type {type(value).__name__}, not {expected.__name__}")


def _size_text(size: SplitSize | None) -> str:
    return "none" if size is None else f"{size.clients:,} clients and {size.examples:,} examples"


def _refused(path: pathlib.Path, problems: list[str]) -> errors.DatasetError:
    return errors.DatasetError(
        f"`{path.name}` is not a usable file of client data.",
        problems=[f"file: {path}", *problems],
        fix="remove the file and get it again.",
    )
