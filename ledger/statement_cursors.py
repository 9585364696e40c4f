"""Where to go on in a statement, written down for whoever turns its pages.

A statement is of one moment, which is not to be found again later; so the cursor carries it: period, block, versions,
opening, closing and the place.
"""

from __future__ import annotations

import base64
import json
from datetime import date

from django.utils.translation import gettext as _

from ledger.core.errors import Invalid

from .models import Account
from .slots import slots_of
from .statements import Place, Statement


def write_cursor(statement: Statement, place: Place) -> str:
    told = [
        statement.first_on.isoformat(),
        statement.last_on.isoformat(),
        statement.known_at,
        list(statement.versions.items()),
        str(statement.opening_atoms),
        str(statement.closing_atoms),
        [place.value_on.isoformat(), place.version, place.account_id, str(place.balance_atoms)],
    ]
    return base64.urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(account: Account, cursor: str) -> tuple[Statement, Place]:
    """Read what :func:`write_cursor` wrote; it may name slots of this account and no others, whoever wrote it.

    Raises :class:`Invalid` (`unknown_cursor`).
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        first, last, known_at, versions, opening, closing, (value_on, *numbers, balance) = json.loads(raw)
        version, slot = (int(number) for number in numbers)
        place = Place(date.fromisoformat(value_on), version, slot, int(balance))
        statement = Statement(
            account=account,
            first_on=date.fromisoformat(first),
            last_on=date.fromisoformat(last),
            known_at=None if known_at is None else int(known_at),
            versions={int(one): int(top) for one, top in versions},
            opening_atoms=int(opening),
            closing_atoms=int(closing),
        )
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _unknown() from error
    all_numbers = [*statement.versions.values(), place.version, place.account_id, statement.known_at or 0]
    is_within = statement.first_on <= place.value_on <= statement.last_on
    is_own = statement.versions.keys() <= set(slots_of(account).values_list("pk", flat=True))
    if not (is_own and is_within and all(0 <= number < 2**63 for number in all_numbers)):
        raise _unknown()
    return statement, place


def _unknown() -> Invalid:
    return Invalid(_("This is not a cursor of ours."), field="cursor", code="unknown_cursor")
