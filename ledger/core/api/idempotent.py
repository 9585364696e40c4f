"""Commands over HTTP: every POST carries an `Idempotency-Key` and has its effect once.

The first call's reply is stored with its effect and given again to every retry, marked by the header
`Idempotency-Replayed: true`; a refusal by the house is a reply like any other. What could not be read, what
names nothing and what failed on our side is not stored, so the same key may be tried again.

A command that keeps the key in what it writes stores no reply beside it: it answers a retry from there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.core.errors import Refusal
from ledger.core.idempotency import Reply, execute_by_own_key, execute_once

from . import problems
from .callers import BROKER_PARAMETER, Caller, caller_of

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"
KEY_PATTERN: Final = r"^[\x21-\x7e]{1,255}$"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")


class IdempotencyKeyRequired(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "idempotency_key_required"


class IdempotencyKeyMalformed(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "idempotency_key_malformed"


def idempotency_key_of(request: Request) -> str:
    """Return the key the caller chose for this command; raises when it is missing or malformed."""
    key = request.headers.get(KEY_HEADER, "")
    if not key:
        raise IdempotencyKeyRequired(_("A POST needs an Idempotency-Key header of your choice."))
    if not _KEY.match(key):
        raise IdempotencyKeyMalformed(_("An Idempotency-Key has 1 to 255 visible ASCII characters."))
    return key


def command_key(caller: Caller, key: str) -> str:
    """Return the key under which the command's journals and orders are booked, of a bounded length.

    Two callers may choose the same key for different things, so the caller's scope is part of it.
    """
    return "api:" + hashlib.sha256(f"{caller.scope}\n{key}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier call came to: a result, or the refusal it was given."""

    outcome: Any


def once(
    request: Request,
    key: str,
    carry_out: Callable[[str], Any],
    *,
    show: Callable[[Any], Any],
    success: int,
    keeps_its_key: bool = False,
) -> Response:
    """Run `carry_out(command key)` once for the caller's `key` and answer with what it returned, shown as JSON.

    A refusal may be raised, which undoes what was written, or returned, which lets it stand. With `keeps_its_key` what
    is carried out has its effect once by itself and tells what was :class:`Known`; see :func:`execute_by_own_key`.

    Must be called outside a transaction. Raises what :func:`execute_once` raises.
    """
    caller = caller_of(request)
    execute = execute_by_own_key if keeps_its_key else execute_once
    reply = execute(
        scope=caller.scope,
        key=key,
        route=_route(request),
        body=request.data,
        command=lambda: _reply(carry_out(command_key(caller, key)), show, success),
        refuse=_refuse,
    )
    headers = {REPLAYED_HEADER: "true"} if reply.is_replay else {}
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return problems.response(reply.body, request, headers)
    return Response(reply.body, status=reply.status, headers=headers)


def _reply(result: Any, show: Callable[[Any], Any], success: int) -> Reply:
    if isinstance(result, Known):
        return replace(_reply(result.outcome, show, success), is_replay=True)
    return _refuse(result) if isinstance(result, Refusal) else Reply(success, _as_json(show(result)))


def _refuse(refusal: Refusal) -> Reply:
    return Reply(refusal.status, problems.of_refusal(refusal))


def _route(request: Request) -> str:
    """Name the command: an operator's call for one firm is not the same as for another."""
    firm = request.query_params.get(BROKER_PARAMETER)
    return f"{request.method} {request.path}" + (f"?{BROKER_PARAMETER}={firm}" if firm else "")


def _as_json(data: Any) -> Any:
    return json.loads(JSONRenderer().render(data))
