"""Who holds what of an asset as it is counted for an action."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db import connection

from ledger.models import Account, Balance, CorporateAction, Role
from ledger.models.account import DEBIT_NORMAL_ROLES
from ledger.requests import AccountKey

# Who is given something by a bonus or a dividend. Of shares sold before the ex date it is the buyer's.
ENTITLED_ROLES: Final = (Role.CLIENT_COLLATERAL, Role.CLIENT_IN_SALE, Role.SUSPENSE, Role.HOUSE_CAPITAL)


@dataclass(frozen=True, slots=True)
class Held:
    """`atoms` of the asset on one account, positive on the account's normal side."""

    account: Account
    atoms: int


def holdings(action: CorporateAction, *, lock: bool = False) -> list[Held]:
    """Return what every account but the custodian's holds of the action's asset, in account order.

    A split counts whatever stands in the books. A bonus or a dividend counts what may be entitled, and what was
    sold on or after the ex date: until it is delivered the seller is registered. With `lock`, no posting moves
    any of it before the transaction ends; a balance is locked before it is read, in account order.
    """
    rows = Balance.objects.filter(account__asset=action.asset)
    if action.location_id is not None:
        rows = rows.filter(account__location=action.location_id)
    rows = rows.order_by("account_id")
    if lock:
        list(rows.select_for_update(of=("self",), no_key=True).values_list("account_id", flat=True))
    rows = rows.exclude(account__role=Role.CUSTODY).select_related(
        "account__book", "account__location", "account__asset"
    )
    if action.kind == CorporateAction.Kind.SPLIT:
        return [held for row in rows if (held := _held(row)).atoms]
    sold = _sold_ex(action)
    counted = rows.filter(account__role__in=ENTITLED_ROLES)
    return [
        held
        for held in _together(_held(row, sold.get(row.account_id, 0)) for row in counted)
        if held.atoms > 0
    ]


def _held(balance: Balance, sold: int = 0) -> Held:
    sign = 1 if balance.account.role in DEBIT_NORMAL_ROLES else -1
    return Held(balance.account, sign * balance.net_atoms + sold)


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
