"""Exactly one effect per idempotency key, whatever the network does.

The key is claimed in a commit of its own. The effect and its reply are then written in one transaction
that holds the key's row lock, so a key without a reply had no effect and may be taken over at once, and
a second caller who finds the row locked knows the first is still at work. Refusals are replies too: a
retry of a refused command gets the same refusal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
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


def body_hash(body: Any) -> str:
    """SHA-256 over the canonical JSON of `body`, hex."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


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


def _lock(scope: str, key: str) -> Command:
    try:
        return Command.objects.select_for_update(nowait=True).get(scope=scope, key=key)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        raise InFlight(_("A command with this idempotency key is being carried out.")) from error


def _key_reused(record: Command, route: str, body: Any) -> KeyReused:
    differing = sorted(_differences(record.body, body))
    if record.route != route:
        differing.insert(0, "route")
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
