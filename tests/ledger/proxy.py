"""A wire to PostgreSQL that is cut where the story wants it: before the server got a message, or before its reply came back.

A proxy on a socket of its own passes bytes both ways. Armed, it cuts after so many bytes of one direction; cut on the way
back, the server has done what it was asked and the client never hears of it.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from django.db import connection

TO_SERVER: Final = "to server"
TO_CLIENT: Final = "to client"


class Wire:
    """Listens in `folder` under the name that libpq looks for, and passes on to `server`."""

    def __init__(self, folder: Path, server: str) -> None:
        self._server = server
        self._left: dict[str, int | None] = {TO_SERVER: None, TO_CLIENT: None}
        self._lock = threading.Lock()
        self.passed = {TO_SERVER: 0, TO_CLIENT: 0}
        self.cuts = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, byte_count: int, direction: str) -> None:
        """Cut the connection when `byte_count` more bytes have gone in `direction`; once."""
        with self._lock:
            self._left[direction] = byte_count

    def disarm(self) -> None:
        with self._lock:
            self._left = {TO_SERVER: None, TO_CLIENT: None}

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                for source, target, direction in ((client, server, TO_SERVER), (server, client, TO_CLIENT)):
                    threading.Thread(target=self._pass, args=(source, target, direction), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                kept, is_cut = self._measure(data, direction)
                if kept:
                    target.sendall(kept)
                if is_cut:
                    break
        # The other thread's end goes too: a cut wire is cut both ways.
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _measure(self, data: bytes, direction: str) -> tuple[bytes, bool]:
        with self._lock:
            self.passed[direction] += len(data)
            left = self._left[direction]
            if left is None:
                return data, False
            if len(data) < left:
                self._left[direction] = left - len(data)
                return data, False
            self._left[direction] = None
            self.cuts += 1
            return data[:left], True


@contextmanager
def wired() -> Iterator[Wire]:
    """Let Django connect through a wire inside the block."""
    settings = connection.settings_dict
    server = settings["HOST"]
    with tempfile.TemporaryDirectory(prefix="lombard-wire-") as folder:
        wire = Wire(Path(folder), f"{server}/.s.PGSQL.5432")
        connection.close()
        settings["HOST"] = folder
        try:
            yield wire
        finally:
            wire.disarm()
            connection.close()
            settings["HOST"] = server
            wire.close()
