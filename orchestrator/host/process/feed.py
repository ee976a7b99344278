"""Standard input for a child: empty, a file, or a pipe that is kept open."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from typing import IO


class Feed:
    """Standard input for a child: empty, a file, or a pipe we keep open."""

    def __init__(self, data: bytes, hold: bool) -> None:
        self._data = data
        self._write_end: int | None = None
        self._file: IO[bytes] | None = None
        self._thread: threading.Thread | None = None
        if hold:
            self.read_end, self._write_end = os.pipe()
            os.set_inheritable(self.read_end, True)
        elif data:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
            self._file.write(data)
            self._file.seek(0)
            self.read_end = self._file.fileno()
        else:
            self.read_end = os.open(os.devnull, os.O_RDONLY)

    def send(self) -> None:
        if self._write_end is not None:
            os.close(self.read_end)
            self.read_end = -1
            if self._data:
                self._thread = threading.Thread(target=self._write, daemon=True)
                self._thread.start()

    def _write(self) -> None:
        view = memoryview(self._data)
        with contextlib.suppress(OSError):  # the child ended without reading it all
            while view and self._write_end is not None:
                view = view[os.write(self._write_end, view) :]

    def close(self) -> None:
        if self._thread is not None:
            self._thread.join()
        if self._write_end is not None:
            os.close(self._write_end)
        if self._file is not None:
            self._file.close()
        elif self.read_end != -1:
            os.close(self.read_end)


@contextlib.contextmanager
def given(data: bytes, hold: bool) -> Iterator[Feed]:
    """Provide a child's standard input for a ``with`` block; ``hold`` keeps it open."""
    feed = Feed(data, hold)
    try:
        yield feed
    finally:
        feed.close()
