"""Servers that live and die with one process: those of a test run, that of a benchmark.

The state folder carries the number of its process, so the next run removes what a killed one left behind.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from deploy.embedded.places import Places
from deploy.embedded.postgres import Postgres
from deploy.embedded.processes import is_running
from deploy.embedded.valkey import Valkey


class TemporaryServers:
    """A state folder of this process's own under `parent`, with a database and a broker not yet started."""

    def __init__(self, parent: Path, purpose: str, *, settings: Mapping[str, str]) -> None:
        self._folders = f"lombard-{purpose}-{os.geteuid()}-"
        self.places = Places.of(parent / f"{self._folders}{os.getpid()}")
        self.postgres = Postgres(self.places, settings=settings)
        self.valkey = Valkey(self.places)

    def remove(self) -> None:
        """Stop both servers and delete all they wrote."""
        _remove(self.postgres, self.valkey)

    def remove_what_killed_runs_left(self) -> None:
        """Remove the servers of the same purpose whose process is gone."""
        for folder in self.places.state_dir.parent.glob(f"{self._folders}*"):
            pid = folder.name.removeprefix(self._folders)
            if pid.isdigit() and not is_running(int(pid)):
                places = Places.of(folder)
                _remove(Postgres(places), Valkey(places))


def _remove(postgres: Postgres, valkey: Valkey) -> None:
    valkey.stop()
    postgres.stop()
    places = postgres.places
    for folder in (places.cluster_dir.parent, places.postgres_socket_dir, places.state_dir):
        shutil.rmtree(folder, ignore_errors=True)
