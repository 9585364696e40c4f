"""Refusals: what the house says no to, in a form every face can show.

A refusal carries a stable `code` that machines read, a message with the values that broke the rule, the
field at fault where there is one, and the HTTP status a REST face gives it.
"""

from __future__ import annotations

from typing import Any, ClassVar


class Refusal(Exception):
    """A command was understood and refused; nothing was changed."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 422

    def __init__(self, message: str, *, field: str = "", code: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.reason = code or self.code
        self.details = details


class Invalid(Refusal):
    """An input value breaks a rule of its field."""

    code = "invalid"
    status = 422


class NotFound(Refusal):
    code = "not_found"
    status = 404


class Conflict(Refusal):
    """The command does not fit the present state of what it acts on."""

    code = "conflict"
    status = 409


class Forbidden(Refusal):
    """The actor may not do this, whatever the state."""

    code = "forbidden"
    status = 403


class InFlight(Conflict):
    """The same command is being carried out at this moment."""

    code = "in_flight"
    retry_after_seconds: ClassVar[int] = 1


class KeyReused(Refusal):
    """An idempotency key came back with another body."""

    code = "idempotency_key_reused"
