"""The way in for `manage.py`: a command that needs the database or the broker finds them running."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

from deploy.embedded.services import ensure_services

_WITHOUT_SERVICES: Final = frozenset(
    {
        *("check", "collectstatic", "compilemessages", "diffsettings", "findstatic", "help"),
        *("makemessages", "spectacular", "startapp", "startproject", "version"),
        "chaos",  # kills its own
        "benchmark",  # brings a server of its own, so that the developer's is not measured
    }
)
_HELP: Final = frozenset({"-h", "--help", "--version"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


def needs_services(arguments: Sequence[str]) -> bool:
    """Whether `manage.py` with these arguments (the program's name first) talks to a database.

    >>> needs_services(["manage.py", "migrate"]), needs_services(["manage.py", "migrate", "--help"])
    (True, False)
    """
    words = arguments[1:]
    if not words or _HELP & set(words):
        return False
    if words[0] == "check":
        return "--database" in words
    return words[0] not in _WITHOUT_SERVICES


def is_embedded(environment: MutableMapping[str, str]) -> bool:
    """Whether services of our own are wanted: said so, or no database is named."""
    said = environment.get("LOMBARD_EMBEDDED", "")
    if said:
        return said.lower() not in _FALSE
    return "DATABASE_URL" not in environment


@contextmanager
def services_for(arguments: Sequence[str]) -> Iterator[None]:
    """Hold the services for the time of a command and name them in the environment.

    The last process that holds them stops them, so a command beside a running `dev` leaves that alone.
    """
    if not needs_services(arguments) or not is_embedded(os.environ):
        yield
        return
    services = ensure_services()
    os.environ["LOMBARD_EMBEDDED"] = "1"
    os.environ.update(services.environment())
    with stopped_orderly(services.stop):
        yield


@contextmanager
def stopped_orderly(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the end of the block, also when SIGTERM or Ctrl-C ends it."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        # A second Ctrl-C must not leave the servers half stopped.
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            stop()
        finally:
            signal.signal(signal.SIGINT, interrupt)
            signal.signal(signal.SIGTERM, before)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """Turn SIGTERM into an exit that unwinds."""
    sys.exit(128 + number)
