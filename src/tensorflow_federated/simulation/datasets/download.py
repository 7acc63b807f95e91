"""Gets a data file: from a folder where it was put by hand, or from the network.

Nothing that comes from outside is trusted: sizes are capped before and while bytes arrive, times
are bounded, an archive is decompressed as a stream, and a file appears under its name only when it
is whole, checked and on the disk.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import io
import lzma
import os
import pathlib
import secrets
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tensorflow_federated.core import errors

_BLOCK_BYTES = 2**20
_DECODER_MEMORY_BYTES = 2**28
_LONGEST_SIZE = 18
_DATA_DIR_VARIABLE = "TFF_DATA_DIR"


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of what a download may take.

    Attributes:
      archive_bytes: The greatest size of the compressed file.
      file_bytes: The greatest size of the decompressed file.
      silence_seconds: How long the server may send nothing.
      total_seconds: How long the download may take in all.
    """

    archive_bytes: int = 2**30
    file_bytes: int = 16 * 2**30
    silence_seconds: float = 30.0
    total_seconds: float = 3600.0


@dataclasses.dataclass(frozen=True)
class Source:
    """A file that is offered for download in compressed form.

    Attributes:
      file_name: The name of the decompressed file; with `.lzma` at the end it is that of the
        archive.
      base_url: The address of the folder, ending in `/`.
      alternatives: Calls that give data without a network, for messages.
      limits: Bounds of what the download may take.
    """

    file_name: str
    base_url: str
    alternatives: Sequence[str] = ()
    limits: Limits = dataclasses.field(default_factory=Limits)

    @property
    def archive_name(self) -> str:
        """The name of the compressed file."""
        return f"{self.file_name}.lzma"

    @property
    def url(self) -> str:
        """The address of the compressed file."""
        return self.base_url + self.archive_name


class _RefusedError(Exception):
    """What arrived is not what it should be; the argument says why."""


def data_folders(cache_dir: str | os.PathLike[str] | None = None) -> list[pathlib.Path]:
    """Returns the folders in which files are looked for, in order; new files go to the first.

    Args:
      cache_dir: A folder to look into first.

    Returns:
      `cache_dir` if given, the folder that the environment variable `TFF_DATA_DIR` names if set,
      and the user's cache folder: `$XDG_CACHE_HOME/tff-ng`, or `~/.cache/tff-ng`.
    """
    folders: list[pathlib.Path] = []
    if cache_dir is not None:
        folders.append(pathlib.Path(cache_dir))
    if os.environ.get(_DATA_DIR_VARIABLE):
        folders.append(pathlib.Path(os.environ[_DATA_DIR_VARIABLE]))
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folders.append(pathlib.Path(home) / "tff-ng")
    return [folder.expanduser() for folder in folders]


def get_file(
    source: Source,
    check: Callable[[pathlib.Path], None],
    prepare: Callable[[pathlib.Path], None],
    check_download: Callable[[pathlib.Path], None],
    cache_dir: str | os.PathLike[str] | None = None,
) -> pathlib.Path:
    """Returns the path of a file, after downloading it if it is in none of `data_folders`.

    Args:
      source: The file and where it comes from.
      check: Called with the path of a file that was found; raises a `DatasetError` if it cannot be
        used. To be cheap.
      prepare: Called once with the path of a new file, before it gets its name: raises a
        `DatasetError` if it cannot be used. May be slow, and may add to the file.
      check_download: Called before `prepare` where the file was downloaded, and not put there by
        hand: raises a `DatasetError` if it is not the file that is offered.
      cache_dir: See `data_folders`.

    Raises:
      DatasetError: If a file that was found cannot be used, or a folder cannot be looked into.
      DownloadError: If the file is nowhere and cannot be downloaded, or what came is not the file;
        an `OSError`.
    """
    folders = data_folders(cache_dir)
    for folder in folders:
        path = folder / source.file_name
        if _is_file(path):
            check(path)
            return path
    target = folders[0] / source.file_name
    for folder in folders:
        archive = folder / source.archive_name
        if _is_file(archive):
            _install_archive(archive, target, source, prepare)
            return target

    def check_and_prepare(path: pathlib.Path) -> None:
        check_download(path)
        prepare(path)

    _download(source, target, folders, check_and_prepare)
    return target


def _is_file(path: pathlib.Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise errors.DatasetError(
            f"It cannot be seen whether `{path.name}` is there.",
            problems=[f"folder: {path.parent}", f"reason: {error.strerror}"],
            fix=f"make the folder readable, or name another in {_DATA_DIR_VARIABLE}.",
        ) from error


def _install_archive(
    archive: pathlib.Path,
    target: pathlib.Path,
    source: Source,
    prepare: Callable[[pathlib.Path], None],
) -> None:
    """Decompresses an archive that was put into a folder by hand."""
    try:
        with archive.open("rb") as file, _progress(source, archive.stat().st_size) as report:
            chunks = _capped(_blocks(file.read), source.limits.archive_bytes, report)
            _install(chunks, target, source.limits, prepare)
    except (_RefusedError, errors.DatasetError, OSError) as error:
        if isinstance(error, OSError):
            fix = f"make sure that `{target.parent}` is a folder that can be written to."
        else:
            fix = "remove the file and get it again."
        raise errors.DatasetError(
            f"`{archive.name}` cannot be used.",
            problems=[f"file: {archive}", *_reasons(error)],
            fix=fix,
        ) from error


def _download(
    source: Source,
    target: pathlib.Path,
    folders: Sequence[pathlib.Path],
    prepare: Callable[[pathlib.Path], None],
) -> None:
    """Downloads, decompresses and checks a file."""
    limits = source.limits
    try:
        deadline = _Deadline(limits.total_seconds)
        with _open(source, deadline) as response:
            length = _content_length(response)
            if length is not None and length > limits.archive_bytes:
                raise _RefusedError(f"{length:,} bytes are more than {limits.archive_bytes:,}")
            with _progress(source, length) as report:
                blocks = _capped(_blocks(response.read1), limits.archive_bytes, report)
                chunks = _complete(blocks, length)
                _install(chunks, target, limits, prepare)
    except (_RefusedError, errors.DatasetError, OSError, http.client.HTTPException) as error:
        choices = " or ".join(f"`{call}`" for call in source.alternatives)
        raise errors.DownloadError(
            f"`{source.archive_name}` could not be downloaded.",
            problems=[
                f"address: {source.url}",
                *_reasons(error),
                f"searched: {', '.join(map(str, folders))}",
            ],
            fix=f"put `{source.archive_name}` (or, decompressed, `{source.file_name}`) into a "
            f"folder and name the folder in the environment variable {_DATA_DIR_VARIABLE}"
            + (f";\nor use {choices}, which need no network." if choices else "."),
        ) from error


def _reasons(error: Exception) -> list[str]:
    """Returns what to tell of the error that ended the attempt."""
    if isinstance(error, errors.FederatedError):
        # The file that the problems name is a temporary one.
        return [problem for problem in error.problems if not problem.startswith("file:")]
    if isinstance(error, urllib.error.HTTPError):
        return [f"reason: the server answered {error.code} {error.reason}"]
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return [f"reason: {reason or type(reason).__name__}"]


class _Deadline:
    """The time at which a download has to be over, from the connection to the last byte."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def check(self) -> None:
        """Raises `_RefusedError` if the time is up."""
        if time.monotonic() > self._end:
            raise _RefusedError(f"the download takes longer than {self._seconds:,.0f} seconds")


class _TimedReader(io.RawIOBase):
    """Reads from a connection until the deadline, whatever the server sends how slowly."""

    def __init__(self, raw: io.RawIOBase, deadline: _Deadline) -> None:
        super().__init__()
        self._raw = raw
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._deadline.check()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedSocket:
    """As much of a socket as `http.client` needs to read an answer."""

    def __init__(self, connection: socket.socket, deadline: _Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """The answer of the server, as a file."""
        assert mode == "rb"
        raw = self._connection.makefile("rb", buffering=0)
        return io.BufferedReader(_TimedReader(raw, self._deadline))


class _TimedHandler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens addresses, and reads status, headers and body before the deadline."""

    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._timed(http.client.HTTPConnection), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._timed(http.client.HTTPSConnection), req)

    def _timed(self, connection_class: type[http.client.HTTPConnection]) -> Any:
        def respond(connection: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
            timed: Any = _TimedSocket(connection, self._deadline)
            return http.client.HTTPResponse(timed, *args, **kwargs)

        def connect(host: str, **kwargs: Any) -> http.client.HTTPConnection:
            connection: Any = connection_class(host, **kwargs)
            connection.response_class = respond
            return connection

        return connect


@contextlib.contextmanager
def _open(source: Source, deadline: _Deadline) -> Iterator[http.client.HTTPResponse]:
    scheme = urllib.parse.urlsplit(source.url).scheme
    if scheme not in ("http", "https"):
        raise _RefusedError(f"`{scheme}` is no scheme of a download")
    request = urllib.request.Request(source.url, headers={"User-Agent": "tff-ng"})
    try:
        opener = urllib.request.build_opener(_TimedHandler(deadline))
        response = opener.open(request, timeout=source.limits.silence_seconds)
    except urllib.error.HTTPError as error:
        error.close()
        raise
    with response:
        if scheme == "https" and urllib.parse.urlsplit(response.url).scheme != "https":
            raise _RefusedError(f"the server leads to {response.url}, which is not encrypted")
        yield response


def _content_length(response: http.client.HTTPResponse) -> int | None:
    text = response.headers.get("Content-Length")
    if text is None:
        return None
    if not text.isdecimal() or len(text) > _LONGEST_SIZE:
        raise _RefusedError(f"the server gives a size of {text[:40]!r}")
    return int(text)


def _blocks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while block := read(_BLOCK_BYTES):
        yield block


def _capped(blocks: Iterator[bytes], limit: int, report: Callable[[int], None]) -> Iterator[bytes]:
    """Passes blocks on and reports their sizes, until they are more than `limit` bytes."""
    received = 0
    for block in blocks:
        received += len(block)
        if received > limit:
            raise _RefusedError(f"the archive has more than {limit:,} bytes")
        report(len(block))
        yield block


def _complete(blocks: Iterator[bytes], length: int | None) -> Iterator[bytes]:
    """Passes blocks on and checks at the end that they are as long as was announced."""
    received = 0
    for block in blocks:
        received += len(block)
        yield block
    if length is not None and received != length:
        raise _RefusedError(f"the connection ended after {received:,} of {length:,} bytes")


def _decompressed(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """Decompresses .lzma or .xz data, also of several streams, into blocks of bounded size."""
    decoder = _new_decoder()
    produced = 0
    try:
        for chunk in chunks:
            pending = chunk
            while pending or not decoder.needs_input:
                if decoder.eof:
                    if not pending.strip(b"\0"):
                        break
                    decoder = _new_decoder()
                block = decoder.decompress(pending, max_length=_BLOCK_BYTES)
                pending = decoder.unused_data
                produced += len(block)
                if produced > limit:
                    raise _RefusedError(f"the decompressed file has more than {limit:,} bytes")
                yield block
    except lzma.LZMAError as error:
        raise _RefusedError(f"the archive is damaged ({error})") from error
    if not decoder.eof:
        raise _RefusedError("the archive ends too early")


def _new_decoder() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_DECODER_MEMORY_BYTES)


def _install(
    chunks: Iterator[bytes],
    target: pathlib.Path,
    limits: Limits,
    prepare: Callable[[pathlib.Path], None],
) -> None:
    """Writes the decompressed chunks to `target`, all or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            for block in _decompressed(chunks, limits.file_bytes):
                file.write(block)
        prepare(temporary)
        _sync(temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        _sync(target.parent)


def _sync(path: pathlib.Path) -> None:
    """Waits until a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _progress(source: Source, total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows a progress bar, on a terminal; gives the function to report bytes to."""
    from rich import console, progress

    terminal = console.Console(stderr=True)
    bar = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=terminal,
        disable=not terminal.is_terminal,
    )
    with bar:
        task = bar.add_task(source.archive_name, total=total)
        yield lambda size: bar.update(task, advance=size)
