"""Who calls, and for which firm.

The room that knows firms makes a :class:`Caller` when it authenticates a request and puts it in
`request.auth`. Rooms below read from it the book or the broker that rows are scoped by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.contrib.auth.models import AbstractBaseUser
from rest_framework.request import Request

# A house operator narrows a call to one firm with it.
BROKER_PARAMETER: Final = "broker"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. Without `broker` and `book` it is a house operator, who sees every firm.

    `actor` is what the audit trail shows, `scope` what idempotency keys are unique in, `user` the person;
    a broker's system has none. `grants` are the permissions that a system was expressly given.
    """

    actor: str
    scope: str
    broker: Any
    book: Any
    user: AbstractBaseUser | None = None
    grants: frozenset[str] = frozenset()

    is_authenticated: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False

    @property
    def is_person(self) -> bool:
        return self.user is not None


def caller_of(request: Request) -> Caller:
    """Return the caller of an authenticated request; anything else is a fault of the view."""
    if not isinstance(request.auth, Caller):
        raise TypeError("this view was reached without an authenticated caller")
    return request.auth
