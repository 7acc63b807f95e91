"""Files of the layout of TFF's data sets, built without TensorFlow, and a server for them."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import pathlib
import sqlite3
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest

# split -> client -> label of each example; as in EMNIST, and every count is different.
SMALL_EMNIST: Mapping[str, Mapping[str, Sequence[int]]] = {
    "digits_only_train": {"f0001_41": [7, 2], "f0000_14": [1, 0, 9]},
    "digits_only_test": {"f0001_41": [3], "f0000_14": [4, 4]},
    "all_train": {"f0001_41": [7, 2, 61], "f0000_14": [1, 0, 9], "f0002_09": [36]},
    "all_test": {"f0001_41": [3], "f0000_14": [4, 4], "f0002_09": [10]},
}


def varint(value: int) -> bytes:
    value %= 2**64
    octets = bytearray()
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*octets, value))


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def feature(values: Sequence[bytes] | np.ndarray) -> bytes:
    if isinstance(values, np.ndarray) and values.dtype == np.float32:
        return message(2, message(1, struct.pack(f"<{len(values)}f", *values)))
    if isinstance(values, np.ndarray):
        return message(3, message(1, b"".join(varint(int(value)) for value in values)))
    return message(1, b"".join(message(1, value) for value in values))


def example(features: Mapping[str, Sequence[bytes] | np.ndarray]) -> bytes:
    return message(
        1,
        b"".join(
            message(1, message(1, name.encode()) + message(2, feature(values)))
            for name, values in features.items()
        ),
    )


def emnist_example(label: int) -> bytes:
    pixels = np.full(784, label / 100, np.float32)
    return example({"pixels": pixels, "label": np.array([label])})


@pytest.fixture
def serialize() -> Callable[[Mapping[str, Sequence[bytes] | np.ndarray]], bytes]:
    """Returns the function that serializes a `tf.train.Example`."""
    return example


@pytest.fixture
def write_database() -> Callable[..., pathlib.Path]:
    """Returns a function that writes a small file of the layout of EMNIST."""

    def write(
        path: pathlib.Path,
        content: Mapping[str, Mapping[str, Sequence[int | bytes]]] = SMALL_EMNIST,
        statements: Sequence[str] = (),
    ) -> pathlib.Path:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(
                "CREATE TABLE examples"
                " (split_name TEXT, client_id TEXT, serialized_example_proto BLOB)"
            )
            connection.execute(
                "CREATE TABLE client_metadata"
                " (client_id TEXT, split_name TEXT, num_examples INTEGER)"
            )
            for split, clients in content.items():
                for client_id, labels in clients.items():
                    connection.execute(
                        "INSERT INTO client_metadata VALUES (?, ?, ?)",
                        (client_id, split, len(labels)),
                    )
                    for label in labels:
                        blob = label if isinstance(label, bytes) else emnist_example(label)
                        connection.execute(
                            "INSERT INTO examples VALUES (?, ?, ?)", (split, client_id, blob)
                        )
            for statement in statements:
                connection.execute(statement)
        return path

    return write


@dataclasses.dataclass
class Answer:
    """What the server answers for a path."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # Whether to tell the length, where `headers` does not.
    tells_length: bool = True
    # Whether to keep the connection open, sending nothing, until the test ends.
    stalls: bool = False


class Server:
    """A server on this machine: `answers` says what it serves, `requests` what was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.released = threading.Event()
        self.base_url = ""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Runs a server while the test runs."""
    monkeypatch.setenv("no_proxy", "*")
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            answer = state.answers.get(self.path, Answer(status=404))
            self.send_response(answer.status)
            headers = dict(answer.headers)
            if answer.tells_length:
                headers.setdefault("Content-Length", str(len(answer.body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # The client may have had enough.
                self.wfile.write(answer.body)
                self.wfile.flush()
            if answer.stalls:
                state.released.wait()

        def log_message(self, format: str, *args: object) -> None:
            """Stays silent."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        state.base_url = f"http://127.0.0.1:{running.server_port}/"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            state.released.set()
            running.shutdown()
            thread.join()


@pytest.fixture
def answer() -> type[Answer]:
    """Returns the class of the server's answers."""
    return Answer
