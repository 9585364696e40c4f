"""Every error as `application/problem+json` (RFC 9457) with a stable code.

`code` is what machines read; `detail` is for people and may be translated; `errors` names each field at
fault with the code of the broken rule. A refusal of the house keeps its own code and status.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.db import DatabaseError
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from ledger.core.errors import InFlight, KeyReused, Refusal

from .parsers import BodyTooLarge
from .requests import HEADER as REQUEST_ID
from .requests import request_id_of

log = logging.getLogger(__name__)

PROBLEM_JSON: Final = "application/problem+json"
_TYPE: Final = "urn:lombard:problem:"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule. `field` is a dotted path into the body; empty where no one field is at fault."""

    field: str
    code: str
    detail: str


def body(
    *,
    status: int,
    code: str,
    detail: str,
    errors: Iterable[FieldError] = (),
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the members of a problem that do not depend on the request it answers."""
    return {
        "type": _TYPE + code,
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"field": e.field, "code": e.code, "detail": e.detail} for e in errors],
        "details": {name: _json_safe(value) for name, value in (details or {}).items()},
    }


def of_refusal(refusal: Refusal) -> dict[str, Any]:
    """Return the problem that a refusal of the house reads as."""
    errors = [FieldError(refusal.field, refusal.reason, refusal.message)] if refusal.field else []
    if isinstance(refusal, KeyReused):
        errors = [
            FieldError(name, "differs", _("Differs from the first request."))
            for name in refusal.details.get("differing", [])
        ]
    return body(
        status=refusal.status,
        code=refusal.reason,
        detail=refusal.message,
        errors=errors,
        details=refusal.details,
    )


def response(problem: Mapping[str, Any], request: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Answer `request` with a problem."""
    members = {**problem, "instance": request.path, "request_id": request_id_of(request)}
    return Response(
        members,
        status=problem["status"],
        headers={REQUEST_ID: members["request_id"], **(headers or {})},
        content_type=PROBLEM_JSON,
    )


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """Turn whatever a view raised into a problem; what nobody foresaw is logged and answered with 500."""
    request = context["request"]
    set_rollback()
    if isinstance(error, Refusal):
        wait = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, InFlight) else {}
        return response(of_refusal(error), request, wait)
    if isinstance(error, Http404):
        error = exceptions.NotFound(_("There is no such resource."))
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        error = BodyTooLarge(str(error))
    elif isinstance(error, ValidationError):
        error = exceptions.ValidationError(_django_detail(error))
    if isinstance(error, exceptions.APIException):
        return response(_of_api_exception(error), request, _headers(error))
    if isinstance(error, DatabaseError) and (problem := _of_database_error(error)):
        return response(problem, request, {"Retry-After": "1"} if problem["status"] == 503 else {})
    log.exception("api.request.failed", extra={"request_id": request_id_of(request), "path": request.path})
    return response(
        body(
            status=500, code="internal_error", detail=_("Something failed on our side; nothing was changed.")
        ),
        request,
    )


def _of_api_exception(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        errors = list(_flatten(error.get_full_details()))
        named = ", ".join(dict.fromkeys(e.field for e in errors if e.field))
        detail = _("The values of these fields are refused: %(fields)s.") % {"fields": named} if named else ""
        # RFC 9110: 400 is for what cannot be read; these could be read and say something wrong.
        return body(status=422, code="invalid", detail=detail or errors[0].detail, errors=errors)
    code = error.get_codes()
    return body(
        status=error.status_code,
        code=code if isinstance(code, str) else error.default_code,
        detail=str(error.detail),
    )


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers


def _flatten(details: Any, path: str = "") -> Iterable[FieldError]:
    if isinstance(details, Mapping) and details.keys() == {"message", "code"}:
        yield FieldError(path, str(details["code"]), str(details["message"]))
    elif isinstance(details, Mapping):
        for name, inner in details.items():
            yield from _flatten(inner, path if name == "non_field_errors" else f"{path}.{name}".lstrip("."))
    else:
        for position, inner in enumerate(details):
            is_message = isinstance(inner, Mapping) and inner.keys() == {"message", "code"}
            yield from _flatten(inner, path if is_message else f"{path}.{position}".lstrip("."))


def _django_detail(error: ValidationError) -> Any:
    if hasattr(error, "error_dict"):
        return {name: _django_detail(ValidationError(errors)) for name, errors in error.error_dict.items()}
    return [
        exceptions.ErrorDetail(" ".join(single.messages), code=single.code or "invalid")
        for single in error.error_list
    ]


# The law of the database is the last to refuse; a service should have said it in words before.
_STATUS_BY_SQLSTATE: Final = {"23505": (409, "already_exists"), "23514": (422, "constraint_violated")}
# Serialisation failure, deadlock, lock not available, statement timeout: the same call may succeed next time.
_PASSING: Final = frozenset({"40001", "40P01", "55P03", "57014"})


def _of_database_error(error: DatabaseError) -> dict[str, Any] | None:
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    diagnostic = getattr(cause, "diag", None)
    name = getattr(diagnostic, "constraint_name", None)
    if state in _PASSING:
        return body(status=503, code="try_again", detail=_("Too much at once; try again with the same key."))
    if state not in _STATUS_BY_SQLSTATE or not name:
        return None
    status, code = _STATUS_BY_SQLSTATE[state]
    detail = _violation_message(name) or _("The rule %(name)s refuses this.") % {"name": name}
    return body(status=status, code=code, detail=detail, details={"constraint": name})


def _violation_message(name: str) -> str:
    for model in apps.get_models():
        for constraint in model._meta.constraints:
            if constraint.name == name:
                message = constraint.violation_error_message
                is_own = message and message != constraint.default_violation_error_message
                return str(message) if is_own else ""
    return ""


def _json_safe(value: Any) -> Any:
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(name): _json_safe(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json_safe(inner) for inner in value]
    return str(value)
