"""Exactly one effect per idempotency key, whatever the network does.

The key is claimed in a commit of its own. The effect and its reply are then written in one transaction
that holds the key's row lock, so a key without a reply had no effect and may be taken over at once, and
a second caller who finds the row locked knows the first is still at work. Refusals are replies too: a
retry of a refused command gets the same refusal.

A command whose effect commits the key along with itself needs neither that claim nor a transaction around it, so it may
share its commit with others: :func:`execute_by_own_key`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.db import OperationalError, transaction
from django.utils.translation import gettext as _

from . import clock
from .errors import InFlight, KeyReused, Refusal
from .models import Command

LOCK_NOT_AVAILABLE: Final = "55P03"
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command answered. `is_replay` says that the effect was had by an earlier call."""

    status: int
    body: Any
    is_replay: bool = False


def canonical(body: Any) -> str:
    """Return JSON that is the same for the same values: keys in order, no blanks, nothing escaped."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def body_hash(body: Any) -> str:
    """SHA-256 over the canonical JSON of `body`, hex."""
    return hashlib.sha256(canonical(body).encode()).hexdigest()


def execute_once(
    *,
    scope: str,
    key: str,
    route: str,
    body: Any,
    command: Callable[[], Reply],
    refuse: Callable[[Refusal], Reply],
) -> Reply:
    """Run `command` once for (scope, key) and give every later caller the same reply.

    `body` is the JSON-safe request; `refuse` renders a refusal of the command as a reply. Must be called
    outside a transaction. Raises :class:`KeyReused` naming the fields that differ when the key was used with
    another body or route, and :class:`InFlight` while the first call is still running.
    """
    digest = body_hash({"route": route, "body": body})
    Command.objects.bulk_create(
        [Command(scope=scope, key=key, route=route, body=body, body_hash=digest, received_at=clock.now())],
        ignore_conflicts=True,
    )
    with transaction.atomic(durable=True):
        record = _lock(scope, key)
        if record.body_hash != digest:
            raise _key_reused(record, route, body)
        if record.response_status is not None:
            return Reply(record.response_status, record.response_body, is_replay=True)
        try:
            with transaction.atomic():
                reply = command()
        except InFlight:
            raise
        except Refusal as refusal:
            reply = refuse(refusal)
        record.response_status = reply.status
        record.response_body = reply.body
        record.save(update_fields=["response_status", "response_body"])
        return reply


def execute_by_own_key(
    *,
    scope: str,
    key: str,
    route: str,
    body: Any,
    command: Callable[[], Reply],
    refuse: Callable[[Refusal], Reply],
) -> Reply:
    """Run a `command` that itself has its effect once for (scope, key), and give every later caller the same reply.

    The command commits the key with its effect and answers a known key as it did before, with `is_replay`, so it is
    simply run again after whatever broke off. A refusal that it replies with is kept by it likewise; the body is written
    down here afterwards, so that another one is told what differs. A refusal that it raises left nothing, and the key
    stays free. Raises what :func:`execute_once` raises, :class:`InFlight` only while this process is at it: behind
    another one the command waits for its commit.
    """
    digest = body_hash({"route": route, "body": body})
    with _alone(scope, key):
        record = Command.objects.filter(scope=scope, key=key).first()
        if record is not None and record.body_hash != digest:
            raise _key_reused(record, route, body)
        if record is not None and record.response_status is not None:
            return Reply(record.response_status, record.response_body, is_replay=True)
        try:
            reply = command()
        except (InFlight, KeyReused):
            raise
        except Refusal as refusal:
            return refuse(refusal)
        if reply.status >= HTTPStatus.BAD_REQUEST:
            kept = Command(scope=scope, key=key, route=route, body=body, body_hash=digest)
            kept.received_at = clock.now()
            kept.response_status, kept.response_body = reply.status, reply.body
            Command.objects.bulk_create([kept], ignore_conflicts=True)
        return reply


_under_way: set[tuple[str, str]] = set()
_one_at_a_time = threading.Lock()


@contextmanager
def _alone(scope: str, key: str) -> Iterator[None]:
    """Be the only call of this process under the key, or raise :class:`InFlight`."""
    with _one_at_a_time:
        if (scope, key) in _under_way:
            raise _in_flight()
        _under_way.add((scope, key))
    try:
        yield
    finally:
        with _one_at_a_time:
            _under_way.discard((scope, key))


def _in_flight() -> InFlight:
    return InFlight(_("A command with this idempotency key is being carried out."))


def _lock(scope: str, key: str) -> Command:
    try:
        return Command.objects.select_for_update(nowait=True).get(scope=scope, key=key)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        raise _in_flight() from error


def _key_reused(record: Command, route: str, body: Any) -> KeyReused:
    differing = sorted(_differences(record.body, body))
    if record.route != route:
        differing.insert(0, "route")
    return key_reused(differing)


def key_reused(differing: list[str]) -> KeyReused:
    """Say that a key came back with another command, naming the fields that differ as far as they are known."""
    if not differing:
        return KeyReused(_("This idempotency key was used before with another body."), differing=[])
    return KeyReused(
        _("This idempotency key was used before with another body; these differ: %(fields)s.")
        % {"fields": ", ".join(differing)},
        differing=differing,
    )


def _differences(before: Any, after: Any, path: str = "") -> set[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        names = before.keys() | after.keys()
        return set().union(
            *(
                _differences(before.get(n, _MISSING), after.get(n, _MISSING), f"{path}.{n}".lstrip("."))
                for n in names
            )
        )
    return set() if before == after else {path or "body"}
