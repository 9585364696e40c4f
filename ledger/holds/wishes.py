"""What a caller wants held, and what makes it one and the same wish."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from django.utils.translation import gettext as _

from ledger.core.decimals import InexactValue, exact
from ledger.core.errors import Invalid
from ledger.models import Hold
from ledger.requests import TEXT_LENGTHS_MAX, AccountKey, plain_units

HOLDS_PER_GROUP_MAX: Final = 100
REASON_LENGTH_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """An amount to be held: `quantity` units that a journal is to debit to one account and credit to the other."""

    debit: AccountKey
    credit: AccountKey
    quantity: Decimal
    reason: str = ""


def check_wish(requests: Sequence[HoldRequest], key: str) -> None:
    """Raise :class:`Invalid` for a group that is empty or too large, a text that does not fit, a quantity that is none."""
    if not 1 <= len(requests) <= HOLDS_PER_GROUP_MAX:
        raise Invalid(
            _("A group has between 1 and %(most)s holds.") % {"most": HOLDS_PER_GROUP_MAX},
            field="holds",
            code="group_size",
            limit=HOLDS_PER_GROUP_MAX,
        )
    if not key:
        raise Invalid(_("A hold needs an idempotency key."), field="key", code="key_required")
    _check_text("key", key, TEXT_LENGTHS_MAX["key"])
    for request in requests:
        _check_text("reason", request.reason, REASON_LENGTH_MAX)
        positive(request.quantity)


def positive(quantity: Decimal) -> Decimal:
    """Return `quantity` when it is an exact number above zero, else raise :class:`Invalid`."""
    try:
        number = exact(quantity)
    except InexactValue as error:
        raise Invalid(str(error), field="quantity", code="inexact") from error
    if number <= 0:
        raise Invalid(_("A quantity must be above zero."), field="quantity", code="not_positive")
    return number


def _check_text(field: str, text: str, length_max: int) -> None:
    if len(text) > length_max:
        raise Invalid(_("At most %(most)s characters.") % {"most": length_max}, field=field, code="too_long")
    if "\0" in text:
        raise Invalid(_("Text holds no NUL character."), field=field, code="nul")


def body(requests: Sequence[HoldRequest], expires_at: datetime | None) -> dict[str, Any]:
    """Return what identifies a group, JSON-safe; a reason is words about it and no part of it."""
    return {
        "expires_at": expires_at.astimezone(UTC).isoformat() if expires_at else "",
        "debit": [request.debit.parts() for request in requests],
        "credit": [request.credit.parts() for request in requests],
        "quantity": [plain_units(request.quantity) for request in requests],
    }


def body_hash(wish: dict[str, Any]) -> bytes:
    """SHA-256 over the canonical JSON of :func:`body`."""
    return hashlib.sha256(json.dumps(wish, sort_keys=True, separators=(",", ":")).encode()).digest()


def recorded_body(holds: Sequence[Hold]) -> dict[str, Any]:
    """The body of the request that made a group, told from what stands in the books."""
    requests = [
        HoldRequest(
            debit=AccountKey.of(hold.debit_account),
            credit=AccountKey.of(hold.credit_account),
            quantity=hold.debit_account.asset.units(hold.amount_atoms),
        )
        for hold in holds
    ]
    return body(requests, holds[0].expires_at)
