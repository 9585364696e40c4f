"""Who holds what of an asset as it is counted for an action."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.db import connection
from django.db.models import Q

from ledger.as_of import net_atoms
from ledger.models import Account, Balance, CorporateAction, Role
from ledger.models.account import DEBIT_NORMAL_ROLES
from ledger.requests import AccountKey

# Who is given something by a bonus or a dividend. Of shares sold before the ex date it is the buyer's.
ENTITLED_ROLES: Final = (Role.CLIENT_COLLATERAL, Role.CLIENT_IN_SALE, Role.SUSPENSE, Role.HOUSE_CAPITAL)

# Neither the custodian's side, nor what a bonus has still due and owed: that is delivered in new shares.
IS_NO_CLAIM: Final = Q(role__in=[Role.CUSTODY, Role.UNSETTLED_RECEIVABLE]) | Q(
    role=Role.UNSETTLED_PAYABLE, owner__gt=""
)


@dataclass(frozen=True, slots=True)
class Held:
    """`atoms` of the asset on one account, positive on the account's normal side."""

    account: Account
    atoms: int


def holdings(action: CorporateAction, *, lock: bool = False) -> list[Held]:
    """Return what every account but the custodian's held of the action's asset, in account order.

    It is told by value date, so that an action carried out late gives what it would have given. A split counts
    whatever lay at the custodian as its ex date began, which bonus shares still due do not. A bonus or a dividend
    counts what may be entitled at the end of the record date, and what was sold on or after the ex date: until it is
    delivered the seller is registered. With `lock`, no posting moves any of it before the transaction ends; balances
    are locked in account order, then read.
    """
    accounts = Account.objects.filter(asset=action.asset)
    if action.location_id is not None:
        accounts = accounts.filter(location=action.location_id)
    if lock:
        balances = Balance.objects.filter(account__in=accounts).order_by("account_id")
        list(balances.select_for_update(of=("self",), no_key=True).values_list("account_id", flat=True))
    is_split = action.kind == CorporateAction.Kind.SPLIT
    counted = accounts.exclude(IS_NO_CLAIM) if is_split else accounts.filter(role__in=ENTITLED_ROLES)
    found = list(counted.select_related("book", "location", "asset").order_by("pk"))
    standing = net_atoms([account.pk for account in found], value_on=counted_on(action))
    if is_split:
        return [held for account in found if (held := _held(account, standing[account.pk][0])).atoms]
    sold = _sold_ex(action)
    together = _together(
        _held(account, standing[account.pk][0], sold.get(account.pk, 0)) for account in found
    )
    return [held for held in together if held.atoms > 0]


def counted_on(action: CorporateAction) -> date:
    """The day at whose end holdings are counted: the record date, or of a split the day before it takes effect."""
    return action.record_on or action.ex_on - timedelta(days=1)


def _held(account: Account, net: int, sold: int = 0) -> Held:
    sign = 1 if account.role in DEBIT_NORMAL_ROLES else -1
    return Held(account, sign * net + sold)


def _together(held: Iterable[Held]) -> list[Held]:
    """The slots of a house account count as one: what one of them lacks another has."""
    found: dict[tuple[int, AccountKey], Held] = {}
    for holding in held:
        place = holding.account.book_id, AccountKey.of(holding.account)
        known = found.get(place)
        found[place] = Held(known.account, known.atoms + holding.atoms) if known else holding
    return list(found.values())


def _sold_ex(action: CorporateAction) -> dict[int, int]:
    """Atoms that left each client's account for the market from the ex date to the record date."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.account_id, sum(s.amount_atoms)::text
              FROM ledger_account o
              JOIN ledger_entry d ON d.account_id = o.id AND d.amount_atoms < 0
              JOIN ledger_journal j ON j.id = d.journal_id AND j.value_on BETWEEN %s AND %s
              JOIN ledger_entry s ON s.journal_id = j.id AND s.amount_atoms > 0
              JOIN ledger_account c ON c.id = s.account_id AND c.asset_id = o.asset_id
               AND c.location_id = o.location_id AND c.role IN ('client_collateral', 'client_in_sale')
             WHERE o.asset_id = %s AND o.role = 'unsettled_payable' AND o.owner = ''
             GROUP BY s.account_id
            """,
            [action.ex_on, action.record_on, action.asset_id],
        )
        return {account: int(atoms) for account, atoms in cursor.fetchall()}
