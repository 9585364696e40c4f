"""Which journals an entitlement makes: one when the action is applied, one when it is paid.

Every journal balances per asset and place, and keeps the lien: a split moves quantities on the role they stand on,
and what is given for pledged shares is pledged. Where the money or shares are still due from the custodian they
stand on `unsettled_receivable` against the holder's `unsettled_payable`, which no valuation counts.

                                   debit                     credit
    split      holder              custody                   the holder's account, or the other way about
               custodian           custody                   suspense: whole shares beyond all holders'
    fraction   holder              suspense (money)          unsettled_payable: cash in lieu that is owed
               custodian           unsettled_receivable      suspense (money): cash in lieu that is due
    otherwise  holder              unsettled_receivable      unsettled_payable
               custodian           unsettled_receivable      suspense: what its rounding gives beyond
    paid       due                 custody or bank           unsettled_receivable
               owed                unsettled_payable         the holder's collateral or cash
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Final, NamedTuple

from ledger.accounts import AccountKey
from ledger.core.decimals import from_atoms
from ledger.models import Asset, CorporateAction, Entitlement, Role
from ledger.models.account import DEBIT_NORMAL_ROLES
from ledger.posting import JournalRequest, Leg, credit, debit

from .ratios import share

Kind = CorporateAction.Kind
HOUSE_ROLES: Final = (Role.SUSPENSE, Role.HOUSE_CAPITAL)


class Split(NamedTuple):
    """A split at a place, or at all of them: how many atoms it made of one."""

    location_id: int | None
    rate: Fraction


def cause_of(action: CorporateAction) -> str:
    """The cause that all journals of an action carry."""
    return f"corporate-action:{action.pk}"


def booking(action: CorporateAction, row: Entitlement) -> JournalRequest | None:
    """The journal of a row when the action is applied; None where it moves nothing."""
    legs = _split(action, row) if action.kind == Kind.SPLIT else _due(row, action.given, row.change_atoms)
    if action.currency is not None and row.cash_atoms:
        legs += _cash_in_lieu(row, action.currency)
    return _request(action, row, legs, step="", value_on=action.record_on or action.ex_on)


def payment(action: CorporateAction, row: Entitlement, splits: Sequence[Split]) -> JournalRequest | None:
    """The journal of a row on the pay date; None where nothing was owed.

    `splits` are those of what is given since the record date: shares that were owed are delivered in new ones. The
    house's own rest was split where it stands, on suspense.
    """
    legs: list[Leg] = []
    if action.kind != Kind.SPLIT:
        owed = row.change_atoms
        delivered = owed if _is_pool(row) else _after(splits, owed, row.account.location_id)
        legs += _received(row, action.given, owed, delivered)
        if not _is_pool(row):
            legs += _settled(row, action.given, owed, delivered)
    if action.currency is not None and row.cash_atoms:
        step = _received if _is_pool(row) else _settled
        legs += step(row, action.currency, row.cash_atoms, row.cash_atoms)
    return _request(action, row, legs, step=":paid", value_on=action.pay_on or action.ex_on)


def _after(splits: Sequence[Split], atoms: int, location_id: int | None) -> int:
    for split in splits:
        if split.location_id in (None, location_id):
            atoms = share(atoms, split.rate).whole
    return atoms


def _split(action: CorporateAction, row: Entitlement) -> list[Leg]:
    change = from_atoms(row.change_atoms, action.asset.scale)
    custody = _place(row, Role.CUSTODY, action.asset)
    if _is_pool(row):
        return [debit(custody, change), credit(_rounding(row, action.asset), change)]
    account = AccountKey.exactly(row.account)
    if row.account.role in DEBIT_NORMAL_ROLES:
        return [debit(account, change), credit(custody, change)]
    return [credit(account, change), debit(custody, change)]


def _due(row: Entitlement, given: Asset, atoms: int) -> list[Leg]:
    """Due from the custodian, and owed to the holder or kept for rounding."""
    quantity = from_atoms(atoms, given.scale)
    claim = _rounding(row, given) if _is_pool(row) else _owed(row, given)
    return [debit(_place(row, Role.UNSETTLED_RECEIVABLE, given), quantity), credit(claim, quantity)]


def _cash_in_lieu(row: Entitlement, money: Asset) -> list[Leg]:
    """A client's fraction is paid out of what the custodian pays for its own and what the whole shares left fetch."""
    if _is_pool(row):
        return _due(row, money, row.cash_atoms)
    cash = from_atoms(row.cash_atoms, money.scale)
    return [debit(_rounding(row, money), cash), credit(_owed(row, money), cash)]


def _received(row: Entitlement, given: Asset, due: int, received: int) -> list[Leg]:
    """What was due from the custodian has come."""
    into = _place(row, Role.CUSTODY, given) if given.is_located else AccountKey(Role.NOSTRO, given.code)
    return [
        debit(into, from_atoms(received, given.scale)),
        credit(_place(row, Role.UNSETTLED_RECEIVABLE, given), from_atoms(due, given.scale)),
    ]


def _settled(row: Entitlement, given: Asset, owed: int, delivered: int) -> list[Leg]:
    """What was owed is the holder's: shares given for pledged shares are pledged, money is the client's cash."""
    role, owner = Role(row.account.role), row.account.owner
    if role in HOUSE_ROLES:
        holder = _place(row, role, given)
    elif given.is_located:
        holder = _place(row, Role.CLIENT_COLLATERAL, given, owner)
    else:
        holder = AccountKey(Role.CLIENT_CASH, given.code, owner)
    return [
        debit(_owed(row, given), from_atoms(owed, given.scale)),
        credit(holder, from_atoms(delivered, given.scale)),
    ]


def _is_pool(row: Entitlement) -> bool:
    return row.account.role == Role.CUSTODY


def _owed(row: Entitlement, given: Asset) -> AccountKey:
    return _place(row, Role.UNSETTLED_PAYABLE, given, row.account.owner)


def _rounding(row: Entitlement, asset: Asset) -> AccountKey:
    """Where what rounding leaves stands until it is sold: money too by place, so that each place is seen."""
    return _place(row, Role.SUSPENSE, asset)


def _place(row: Entitlement, role: Role, asset: Asset, owner: str = "") -> AccountKey:
    location = row.account.location.code if row.account.location else ""
    return AccountKey(role, asset.code, owner, location)


def _request(
    action: CorporateAction, row: Entitlement, legs: list[Leg], *, step: str, value_on: date
) -> JournalRequest | None:
    moving = tuple(leg for leg in legs if leg.quantity)
    if not moving:
        return None
    return JournalRequest(
        key=f"{cause_of(action)}:{row.account_id}{step}",
        kind=f"{action.kind}{'_payment' if step else ''}",
        legs=moving,
        value_on=value_on,
        cause=cause_of(action),
        narrative=action.reference,
    )
