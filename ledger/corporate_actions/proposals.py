"""Corporate actions are proposed by a maker and approved by a checker, and their terms checked by both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core import approvals
from ledger.core.decimals import InexactValue, decimal_places, exact
from ledger.core.errors import Conflict, Invalid
from ledger.core.models import FourEyes
from ledger.models import Asset, CorporateAction, Location

from .entitlements import ratio_of

TOPIC = "ledger.corporate_action"
Kind = CorporateAction.Kind


@dataclass(frozen=True, slots=True)
class Terms:
    """What an announcement says; codes for assets, the currency and the place. Numbers may still be text."""

    reference: str
    kind: str
    asset: str
    ex_on: date
    record_on: date | None = None
    pay_on: date | None = None
    ratio_new: int | None = None
    ratio_old: int | None = None
    other_asset: str = ""
    amount: object = None
    fraction_price: object = None
    currency: str = ""
    location: str = ""
    reason: str = ""


def propose(*, terms: Terms, maker: AbstractBaseUser) -> CorporateAction:
    """Propose an action; nothing happens until somebody else approves it.

    Raises Invalid as :func:`check_terms` and Conflict (`already_proposed`) where the announcement stands already.
    """
    action = action_of(terms)
    return propose_action(action, maker=maker)


@transaction.atomic
def propose_action(action: CorporateAction, *, maker: AbstractBaseUser) -> CorporateAction:
    """Propose an action that was filled in; refusals as for :func:`propose`."""
    check_terms(action)
    # Two of one announcement at once would otherwise both find nothing there.
    Asset.objects.select_for_update(no_key=True).get(pk=action.asset_id)
    standing = CorporateAction.objects.filter(reference=action.reference)
    if standing.exclude(approval=FourEyes.Approval.REJECTED).exists():
        raise Conflict(
            _("%(reference)s was proposed already.") % {"reference": action.reference},
            field="reference",
            code="already_proposed",
        )
    return approvals.propose(action, maker=maker, topic=f"{TOPIC}.proposed")


@transaction.atomic
def approve(action: CorporateAction, *, checker: AbstractBaseUser) -> CorporateAction:
    """Approve an action; the clock applies it on its day.

    Raises Forbidden (`maker_is_checker`), Conflict (`already_decided`), and Invalid as :func:`check_terms`.
    """
    approved = approvals.approve(action, checker=checker, topic=f"{TOPIC}.approved")
    check_terms(approved)
    return approved


def reject(action: CorporateAction, *, checker: AbstractBaseUser, reason: str) -> CorporateAction:
    """Reject a proposed action for a reason; Forbidden and Conflict as when approving."""
    return approvals.reject(action, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)


def action_of(terms: Terms) -> CorporateAction:
    """Return the action that `terms` describe, unsaved; Invalid names what is unknown or inexact."""
    return CorporateAction(
        reference=terms.reference,
        kind=terms.kind,
        asset=asset_of(terms.asset, "asset"),
        other_asset=asset_of(terms.other_asset, "other_asset") if terms.other_asset else None,
        currency=asset_of(terms.currency, "currency") if terms.currency else None,
        location=_location(terms.location) if terms.location else None,
        ratio_new=terms.ratio_new,
        ratio_old=terms.ratio_old,
        amount=number_of(terms.amount, "amount"),
        fraction_price=number_of(terms.fraction_price, "fraction_price"),
        ex_on=terms.ex_on,
        record_on=terms.record_on,
        pay_on=terms.pay_on,
        reason=terms.reason,
    )


def check_terms(action: CorporateAction) -> None:
    """Raise Invalid, with the field at fault, where the terms are not those of their kind.

    Codes: `reference_required`, `unknown_kind`, `asset_without_place`, `invalid_ratio`, `same_asset`,
    `not_money`, `not_positive`, `inexact`, `required`, `not_of_this_kind`, `days_out_of_order`, `overtaken` for a
    split before one that was applied.
    """
    if not action.reference.strip():
        raise Invalid(
            _("An action is known by the number of its announcement."),
            field="reference",
            code="reference_required",
        )
    if action.kind not in Kind.values:
        raise Invalid(
            _("There is no kind of action %(kind)s.") % {"kind": action.kind},
            field="kind",
            code="unknown_kind",
        )
    _check_fields(action)
    _check_assets(action)
    for name in ("amount", "fraction_price"):
        number = number_of(getattr(action, name), name)
        if number is not None and number <= 0:
            raise Invalid(_("This must be above zero."), field=name, code="not_positive")
    if action.kind != Kind.CASH_DIVIDEND:
        ratio = ratio_of(action)
        if action.kind == Kind.SPLIT and ratio.new == ratio.old:
            raise Invalid(_("A split changes something."), field="ratio_new", code="invalid_ratio")
    _check_days(action)


def _check_fields(action: CorporateAction) -> None:
    """A kind has its fields and no others; what is paid for fractions needs a currency and a day."""
    fields = {
        Kind.SPLIT: {"ratio_new", "ratio_old"},
        Kind.BONUS: {"ratio_new", "ratio_old", "record_on", "pay_on"},
        Kind.CASH_DIVIDEND: {"amount", "currency", "record_on", "pay_on"},
    }
    required = fields[Kind(action.kind)]
    allowed = set(required)
    if action.kind == Kind.BONUS:
        allowed.add("other_asset")
    if action.kind != Kind.CASH_DIVIDEND and action.fraction_price is not None:
        required = required | {"fraction_price", "currency", "pay_on"}
        allowed |= required
    for name in (
        "ratio_new",
        "ratio_old",
        "other_asset",
        "amount",
        "fraction_price",
        "currency",
        "record_on",
        "pay_on",
    ):
        value = getattr(action, name)
        if value is None and name in required:
            raise Invalid(_("This field is required."), field=name, code="required")
        if value is not None and name not in allowed:
            raise Invalid(_("This is no term of this kind of action."), field=name, code="not_of_this_kind")


def _check_assets(action: CorporateAction) -> None:
    for name in ("asset", "other_asset"):
        asset = getattr(action, name)
        if asset is not None and not asset.is_located:
            raise Invalid(
                _("%(code)s lies nowhere; it has no issuer.") % {"code": asset.code},
                field=name,
                code="asset_without_place",
            )
    if action.other_asset is not None and action.other_asset == action.asset:
        raise Invalid(
            _("Leave this empty where the same asset is given."), field="other_asset", code="same_asset"
        )
    if action.currency is not None and action.currency.kind != Asset.Kind.FIAT:
        raise Invalid(
            _("There is no currency %(code)s.") % {"code": action.currency.code},
            field="currency",
            code="not_money",
        )


def _check_days(action: CorporateAction) -> None:
    for name, earlier in (("record_on", "ex_on"), ("pay_on", "ex_on"), ("pay_on", "record_on")):
        day, before = getattr(action, name), getattr(action, earlier)
        if day is not None and before is not None and day < before:
            raise Invalid(
                _("The ex date comes first, then the record date, then the pay date."),
                field=name,
                code="days_out_of_order",
            )
    applied = CorporateAction.objects.filter(kind=Kind.SPLIT, asset=action.asset, ex_on__gt=action.ex_on)
    if action.kind == Kind.SPLIT and applied.exclude(stage=CorporateAction.Stage.WAITING).exists():
        raise Invalid(_("A later split of this asset was applied already."), field="ex_on", code="overtaken")


def number_of(value: object, field: str) -> Decimal | None:
    """Read an exact number of at most 18 decimals and 20 digits before them; Invalid (`inexact`) at `field`."""
    if value is None or value == "":
        return None
    try:
        number = exact(value)
    except InexactValue as error:
        raise Invalid(str(error), field=field, code="inexact") from error
    if decimal_places(number) > 18 or number.adjusted() >= 20:
        raise Invalid(
            _("%(value)s is too large or too fine.") % {"value": value}, field=field, code="inexact"
        )
    return number


def asset_of(code: str, field: str) -> Asset:
    """Find an asset by its code; Invalid (`unknown_asset`) at `field`."""
    asset = Asset.objects.filter(code=code).first()
    if asset is None:
        raise Invalid(_("There is no asset %(code)s.") % {"code": code}, field=field, code="unknown_asset")
    return asset


def _location(code: str) -> Location:
    location = Location.objects.filter(code=code).first()
    if location is None:
        raise Invalid(
            _("There is no location %(code)s.") % {"code": code}, field="location", code="unknown_location"
        )
    return location
