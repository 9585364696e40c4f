"""The kill switches over forced sales: the firm's, and those over one venue, one asset or one account.

Anybody who may can put one on, and it holds at once: nothing is planned, ordered or sent under it, and what rests at
a venue is taken off. What a venue already did is still taken in. A stop over a part is lifted by two people.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from collateral.models import Instrument
from ledger.core import clock
from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.core.events import record_event
from ledger.models import Asset
from margin.models import Broker, Facility, SaleStop


@dataclass(frozen=True, slots=True)
class Stops:
    """Which kill switches of a firm are on."""

    is_firm: bool
    venues: frozenset[str]
    assets: frozenset[int]
    accounts: frozenset[int]

    def holds_account(self, facility_id: int) -> bool:
        return self.is_firm or facility_id in self.accounts

    def holds(self, instrument: Instrument, facility_id: int) -> bool:
        """Whether an instrument of an account may not be sold now."""
        is_part = instrument.venue in self.venues or instrument.pk in self.assets
        return is_part or self.holds_account(facility_id)


def stops_of(broker: Broker) -> Stops:
    """Read the switches of a firm as they stand now."""
    is_firm = Broker.objects.filter(pk=broker.pk, are_forced_sales_stopped=True).exists()
    rows = SaleStop.objects.filter(broker=broker, lifted_at__isnull=True)
    parts = list(rows.values_list("venue", "asset_id", "facility_id"))
    return Stops(
        is_firm,
        frozenset(venue for venue, _asset, _account in parts if venue),
        frozenset(asset for _venue, asset, _account in parts if asset is not None),
        frozenset(account for _venue, _asset, account in parts if account is not None),
    )


@transaction.atomic
def set_forced_sales_stopped(*, broker: Broker, is_stopped: bool, actor: str, reason: str) -> Broker:
    """Stop a firm's forced sales, or let them go on, with a reason that is kept.

    While stopped nothing is planned, ordered or sent; what a venue already did is still taken in. Raises
    Invalid (`reason_required`) and Conflict (`wrong_state`) when the switch stands that way already.
    """
    _check_reason(reason)
    locked = Broker.objects.select_for_update(no_key=True).get(pk=broker.pk)
    if locked.are_forced_sales_stopped == is_stopped:
        raise Conflict(_("The switch stands that way already."), code="wrong_state")
    locked.are_forced_sales_stopped = is_stopped
    locked.save(update_fields=["are_forced_sales_stopped"])
    topic = "margin.broker.sales_stopped" if is_stopped else "margin.broker.sales_resumed"
    record_event(topic, locked, actor=actor, reason=reason, broker_code=locked.code)
    return locked


@transaction.atomic
def put_stop(
    *,
    broker: Broker,
    actor: str,
    reason: str,
    venue: str = "",
    asset: Asset | None = None,
    facility: Facility | None = None,
) -> SaleStop:
    """Stop forced sales at one venue, of one asset or of one account, from this moment on.

    Raises Invalid: `reason_required`, `one_scope` unless exactly one of the three is named, `unknown_venue`,
    `unknown_account` for another firm's; Conflict (`already_stopped`) while such a stop is on.
    """
    _check_reason(reason)
    if sum((bool(venue), asset is not None, facility is not None)) != 1:
        raise Invalid(_("A stop names one venue, one asset or one account."), field="venue", code="one_scope")
    if venue and venue not in Instrument.Venue.values:
        raise Invalid(
            _("There is no venue %(venue)s.") % {"venue": venue}, field="venue", code="unknown_venue"
        )
    if facility is not None and facility.client.broker_id != broker.pk:
        raise Invalid(_("There is no such account."), field="account", code="unknown_account")
    Broker.objects.select_for_update(no_key=True).get(pk=broker.pk)
    scope = {"broker": broker, "venue": venue, "asset": asset, "facility": facility}
    if SaleStop.objects.filter(**scope, lifted_at__isnull=True).exists():
        raise Conflict(_("It is stopped already."), code="already_stopped")
    stop = SaleStop.objects.create(**scope, reason=reason, put_on_by=actor, put_on_at=clock.now())
    _record("margin.stop.put_on", stop, actor, reason)
    return stop


@transaction.atomic
def ask_to_lift(*, stop: SaleStop, person: AbstractBaseUser, reason: str) -> SaleStop:
    """Ask for a stop to be lifted, as the first of two people; it holds until the second lifts it.

    Raises Invalid (`reason_required`) and Conflict (`wrong_state`) when it was asked for or lifted before.
    """
    _check_reason(reason)
    locked = _lock(stop)
    if locked.lift_asked_at is not None:
        raise Conflict(_("It was asked to be lifted before."), code="wrong_state")
    locked.lift_asked_by_id = person.pk
    locked.lift_asked_at = clock.now()
    locked.lift_reason = reason
    locked.save(update_fields=["lift_asked_by", "lift_asked_at", "lift_reason"])
    _record("margin.stop.lift_asked", locked, person.get_username(), reason)
    return locked


@transaction.atomic
def lift_stop(*, stop: SaleStop, person: AbstractBaseUser) -> SaleStop:
    """Lift a stop, as the second of two people; sales go on where they stood.

    Raises Conflict (`wrong_state`) unless lifting was asked for and not done, Forbidden (`maker_is_checker`) for
    whoever asked.
    """
    locked = _lock(stop)
    if locked.lift_asked_at is None or locked.lifted_at is not None:
        raise Conflict(_("Nobody asked for it to be lifted, or it is lifted."), code="wrong_state")
    if locked.lift_asked_by_id == person.pk:
        raise Forbidden(_("Whoever asked for it to be lifted may not lift it."), code="maker_is_checker")
    locked.lifted_by_id = person.pk
    locked.lifted_at = clock.now()
    locked.save(update_fields=["lifted_by", "lifted_at"])
    _record("margin.stop.lifted", locked, person.get_username(), locked.lift_reason)
    return locked


def _lock(stop: SaleStop) -> SaleStop:
    rows = SaleStop.objects.select_for_update(of=("self",), no_key=True).select_related("broker")
    return rows.get(pk=stop.pk)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid(_("The switch needs a reason."), field="reason", code="reason_required")


def _record(topic: str, stop: SaleStop, actor: str, reason: str) -> None:
    record_event(topic, stop, actor=actor, reason=reason, broker_code=stop.broker.code, stopped=stop.subject)
