"""Collateral and cash in and out of a client's hands.

A deposit is never stopped. A withdrawal locks the facility, values the account as it would be afterwards and
is refused when that leaves a shortfall, inside the same transaction, so that no price or second withdrawal
slips between the check and the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from collateral.fx import latest_rate
from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.core.decimals import InexactValue, to_atoms
from ledger.core.errors import Invalid
from ledger.core.events import record_event
from ledger.models import Asset, Journal, Location, Role
from ledger.posting import JournalRequest, Leg, credit, debit, post

from .clients import AMOUNT_LIMIT, BASE_CURRENCY, check_amount
from .credit import check_withdrawal, lock_facility
from .models import Broker, Client


@dataclass(frozen=True, slots=True)
class Movement:
    """What a deposit or withdrawal booked; `is_replay` says that an earlier call with the key did it."""

    journal_id: UUID
    is_replay: bool


@transaction.atomic
def deposit_collateral(
    *,
    client: Client,
    asset: str,
    quantity: Decimal,
    key: str,
    actor: str,
    value_on: date | None = None,
) -> Movement:
    """Book `quantity` units received into custody for `client`.

    Raises :class:`Invalid` for an unknown asset, money, or a quantity that is not positive and exact at the
    asset's scale; :class:`KeyReused` when the key stands for something else.
    """
    location = _place(client, asset, quantity)
    legs = (
        debit(AccountKey(Role.CUSTODY, asset, location=location), quantity),
        credit(AccountKey(Role.CLIENT_COLLATERAL, asset, client.number, location), quantity),
    )
    return _move(client, "collateral_deposit", legs, key=key, actor=actor, value_on=value_on)


@transaction.atomic
def withdraw_collateral(
    *,
    client: Client,
    asset: str,
    quantity: Decimal,
    key: str,
    actor: str,
    value_on: date | None = None,
) -> Movement:
    """Book `quantity` units delivered out of custody to `client`.

    Raises what :func:`deposit_collateral` raises, :class:`InsufficientBalance` beyond what is pledged and
    free, and what :func:`margin.credit.check_withdrawal` raises when the loan would not be covered
    afterwards.
    """
    location = _place(client, asset, quantity)
    legs = (
        debit(AccountKey(Role.CLIENT_COLLATERAL, asset, client.number, location), quantity),
        credit(AccountKey(Role.CUSTODY, asset, location=location), quantity),
    )
    facility = lock_facility(client)
    if _known(client, "collateral_withdrawal", key) is None:
        check_withdrawal(facility, asset=asset, quantity=quantity)
    return _move(client, "collateral_withdrawal", legs, key=key, actor=actor, value_on=value_on)


@transaction.atomic
def deposit_cash(
    *,
    client: Client,
    currency: str,
    amount: Decimal,
    key: str,
    actor: str,
    value_on: date | None = None,
) -> Movement:
    """Book money received from `client`; it counts in full against the loan at once."""
    _check_money(currency, amount)
    legs = (
        debit(AccountKey(Role.NOSTRO, currency), amount),
        credit(AccountKey(Role.CLIENT_CASH, currency, client.number), amount),
    )
    return _move(client, "cash_deposit", legs, key=key, actor=actor, value_on=value_on)


@transaction.atomic
def withdraw_cash(
    *,
    client: Client,
    currency: str,
    amount: Decimal,
    key: str,
    actor: str,
    value_on: date | None = None,
) -> Movement:
    """Pay money out to `client` from its credit balance, as long as the loan stays covered without it."""
    _check_money(currency, amount)
    legs = (
        debit(AccountKey(Role.CLIENT_CASH, currency, client.number), amount),
        credit(AccountKey(Role.NOSTRO, currency), amount),
    )
    facility = lock_facility(client)
    if _known(client, "cash_withdrawal", key) is None:
        check_withdrawal(facility, asset=currency, quantity=amount)
    return _move(client, "cash_withdrawal", legs, key=key, actor=actor, value_on=value_on)


def _move(
    client: Client, kind: str, legs: tuple[Leg, ...], *, key: str, actor: str, value_on: date | None
) -> Movement:
    known = _known(client, kind, key)
    request = JournalRequest(
        key=_journal_key(client, kind, key),
        kind=kind,
        legs=legs,
        # A retry after midnight is still the movement of the day it was booked for.
        value_on=value_on or (known.value_on if known else clock.today()),
        cause=f"client:{client.number}",
    )
    posted = post(client.broker.book, request, actor=actor)
    if not posted.is_replay:
        record_event(
            f"margin.{kind}.booked",
            client,
            actor=actor,
            broker_code=client.broker.code,
            journal=str(posted.journal_id),
        )
    return Movement(posted.journal_id, posted.is_replay)


def _journal_key(client: Client, kind: str, key: str) -> str:
    return f"{kind}:{client.number}:{key}"


def _known(client: Client, kind: str, key: str) -> Journal | None:
    return Journal.objects.made_by(_journal_key(client, kind, key), book=client.broker.book).first()


def _place(client: Client, code: str, quantity: Decimal) -> str:
    """Check asset and quantity and return where the broker keeps assets of this kind."""
    asset = Asset.objects.filter(code=code).first()
    if asset is None:
        raise Invalid(_("There is no asset %(code)s.") % {"code": code}, field="asset", code="unknown_asset")
    location = location_of(client.broker, asset)
    try:
        atoms = to_atoms(quantity, asset.scale)
    except InexactValue as error:
        raise Invalid(str(error), field="quantity", code="inexact") from error
    if atoms <= 0:
        raise Invalid(_("A quantity must be above zero."), field="quantity", code="not_positive")
    if quantity >= AMOUNT_LIMIT:
        raise Invalid(_("A quantity must be below 10^15."), field="quantity", code="too_large")
    return location.code


def location_of(broker: Broker, asset: Asset) -> Location:
    """Return where the broker keeps assets of this kind; raises :class:`Invalid` (`asset_not_held`)."""
    if asset.kind == Asset.Kind.SECURITY:
        return broker.clearing_location
    if asset.kind == Asset.Kind.VIRTUAL_ASSET and broker.virtual_asset_location:
        return broker.virtual_asset_location
    raise Invalid(
        _("%(broker)s does not hold %(code)s for clients.") % {"broker": broker, "code": asset.code},
        field="asset",
        code="asset_not_held",
    )


def _check_money(currency: str, amount: Decimal) -> None:
    if not Asset.objects.filter(code=currency, kind=Asset.Kind.FIAT).exists():
        raise Invalid(
            _("There is no currency %(code)s.") % {"code": currency},
            field="currency",
            code="unknown_currency",
        )
    # Money that cannot be valued would hold up the valuation of the whole firm.
    latest_rate(currency, BASE_CURRENCY, at=clock.now())
    check_amount(amount)
