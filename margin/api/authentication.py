"""Who may call: a broker's system with its key, or a person who signed in to the back office.

A system sees its own firm. A person sees the firm of their staff row; a superuser without one is a house
operator, who sees every firm and narrows a call to one with `?broker=CODE`. Staff of no firm see nothing.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from ledger.core.api.callers import BROKER_PARAMETER, Caller
from ledger.core.api.requests import refuse_parameter
from margin.brokers import find_api_key
from margin.models import Broker, Staff

SCHEME = "Bearer"


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer lk_…`: a key belongs to one firm and sees that firm only."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller] | None:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        key = find_api_key(token.strip())
        if key is None:
            raise AuthenticationFailed(_("This API key is not known or was revoked."), code="invalid_api_key")
        caller = Caller(
            actor=f"api:{key.prefix}",
            scope=f"broker:{key.broker.code}",
            broker=key.broker,
            book=key.broker.book,
            grants=frozenset({"ledger.add_journal"}) if key.may_post_journals else frozenset(),
        )
        return caller, caller

    def authenticate_header(self, request: Request) -> str:
        return f'{SCHEME} realm="lombard"'


class StaffSessionAuthentication(SessionAuthentication):
    """The session of the back office, so that the interactive documentation can be tried out."""

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        if not user.is_staff:
            raise PermissionDenied(_("Only staff may call."), code="not_staff")
        broker = _broker_of(user, request.query_params.get(BROKER_PARAMETER))
        return user, Caller(
            actor=user.get_username(),
            scope=f"user:{user.pk}",
            broker=broker,
            book=broker.book if broker else None,
            user=user,
        )


def _broker_of(user: User, code: str | None) -> Broker | None:
    staff = Staff.objects.select_related("broker__book").filter(user=user).first()
    if staff is None and not user.is_superuser:
        raise PermissionDenied(_("You work for no firm of this house."), code="no_broker")
    if code is None:
        return staff.broker if staff else None
    seen = Broker.objects.filter(pk=staff.broker_id) if staff else Broker.objects.all()
    broker = seen.select_related("book").filter(code=code).first()
    if broker is None:
        raise refuse_parameter(BROKER_PARAMETER, _("You see no such firm."), "unknown_broker")
    return broker
