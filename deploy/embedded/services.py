"""Both servers as one thing that many processes may ask for at the same time.

Two file locks in the state folder. `starting` is held for the moment of starting or stopping. `in-use` is
held, shared, by every process that uses the servers; whoever can take it alone is the last and stops them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from deploy.embedded.places import Places
from deploy.embedded.postgres import Postgres
from deploy.embedded.valkey import Valkey


def _nothing_to_stop() -> None:
    return


@dataclass(frozen=True, slots=True)
class Services:
    """Where the database and the broker are; `stop` gives up this process's use of them."""

    database_url: str
    broker_url: str
    stop: Callable[[], None] = field(default=_nothing_to_stop, repr=False, compare=False)

    def environment(self) -> dict[str, str]:
        """What `deploy.settings` of this process and its children reads."""
        return {"DATABASE_URL": self.database_url, "BROKER_URL": self.broker_url}


def ensure_services(
    *,
    places: Places | None = None,
    environment: Mapping[str, str] | None = None,
    postgres_settings: Mapping[str, str] | None = None,
) -> Services:
    """Return running services, starting or adopting whichever of the two the environment does not name.

    Starting takes about two seconds for a new state folder and half a second later on. Raises
    :class:`~deploy.embedded.processes.EmbeddedError` with what to do when a server cannot be had.
    """
    given = os.environ if environment is None else environment
    places = places or Places.of()
    servers: list[Postgres | Valkey] = []
    if not given.get("DATABASE_URL"):
        servers.append(Postgres(places, settings=postgres_settings))
    if not given.get("BROKER_URL"):
        servers.append(Valkey(places))
    database_url = given.get("DATABASE_URL") or places.database_url
    broker_url = given.get("BROKER_URL") or places.broker_url
    if not servers:
        return Services(database_url, broker_url)
    lease = _Lease(places, servers)
    lease.take()
    return Services(database_url, broker_url, lease.give_up)


class _Lease:
    """This process's share in the servers."""

    def __init__(self, places: Places, servers: list[Postgres | Valkey]) -> None:
        self._places = places
        self._servers = servers
        self._descriptor: int | None = None
        self._owner_pid = os.getpid()

    def take(self) -> None:
        self._places.make()
        with self._starting():
            self._descriptor = os.open(self._places.state_dir / "in-use", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            try:
                for server in self._servers:
                    server.start()
            except BaseException:
                self._release()
                raise

    def give_up(self) -> None:
        """Release the share; a forked child that inherited this object leaves it alone."""
        if self._descriptor is None or os.getpid() != self._owner_pid:
            return
        with self._starting():
            self._release()

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            for server in reversed(self._servers):
                server.stop()
        finally:
            os.close(descriptor)

    @contextmanager
    def _starting(self) -> Iterator[None]:
        descriptor = os.open(self._places.state_dir / "starting", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
