"""The firms: who they are to the regulator, what they may do, and the keys of their systems."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import date
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from collateral.models import EntityType
from ledger.core import clock
from ledger.core.decimals import InexactValue, to_atoms
from ledger.core.errors import Conflict, Invalid
from ledger.core.events import record_event
from ledger.models import Book, Location

from .models import ApiKey, Broker

KEY_PREFIX = "lk"
RATE_PLACES = 8


@transaction.atomic
def open_broker(
    *,
    code: str,
    name: str,
    clearing_location: Location,
    commission_rate: Decimal,
    commission_minimum: Decimal,
    virtual_asset_fee_rate: Decimal,
    actor: str,
    entity_type: str = EntityType.LICENSED_CORPORATION,
    is_virtual_asset_broker: bool = False,
    va_financing_from: date | None = None,
    virtual_asset_location: Location | None = None,
) -> Broker:
    """Open a firm with a book of its own.

    Raises :class:`Conflict` (`code_taken`) and :class:`Invalid` for a rate that is not an exact fraction
    below one, for a minimum that is not an exact amount, and when a firm that is no virtual asset broker is
    to finance virtual assets, or is to do so without a place where they lie (26EC5: only a virtual asset
    broker that carries on margin financing).
    """
    _check_charge("commission_rate", commission_rate, places=RATE_PLACES, below=1)
    _check_charge("commission_minimum", commission_minimum, places=2)
    _check_charge("virtual_asset_fee_rate", virtual_asset_fee_rate, places=RATE_PLACES, below=1)
    if va_financing_from and not is_virtual_asset_broker:
        raise Invalid(_("Only a virtual asset broker may finance virtual assets."), field="va_financing_from")
    if va_financing_from and virtual_asset_location is None:
        raise Invalid(
            _("Financing virtual assets needs a place where they lie."), field="virtual_asset_location"
        )
    if Book.objects.filter(code=code).exists():
        raise Conflict(_("The code %(code)s is taken.") % {"code": code}, field="code", code="code_taken")
    broker = Broker.objects.create(
        code=code,
        name=name,
        entity_type=entity_type,
        book=Book.objects.create(code=code, name=name),
        is_virtual_asset_broker=is_virtual_asset_broker,
        va_financing_from=va_financing_from,
        clearing_location=clearing_location,
        virtual_asset_location=virtual_asset_location,
        commission_rate=commission_rate,
        commission_minimum=commission_minimum,
        virtual_asset_fee_rate=virtual_asset_fee_rate,
    )
    record_event("margin.broker.opened", broker, actor=actor, broker_code=code)
    return broker


@transaction.atomic
def issue_api_key(
    *, broker: Broker, label: str, actor: str, may_post_journals: bool = False
) -> tuple[ApiKey, str]:
    """Make a key for a broker's system and return it with its secret, which is shown this once.

    `may_post_journals` lets it book journals of its own choice, which pass by the rules of lending.
    """
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        broker=broker,
        label=label,
        prefix=prefix,
        secret_hash=_hash(secret),
        created_at=clock.now(),
        may_post_journals=may_post_journals,
    )
    record_event(
        "margin.api_key.issued",
        key,
        actor=actor,
        broker_code=broker.code,
        may_post_journals=may_post_journals,
    )
    return key, f"{KEY_PREFIX}_{prefix}_{secret}"


@transaction.atomic
def permit_journals(*, key: ApiKey, is_permitted: bool, actor: str) -> None:
    """Give a live key the right to post journals, or take it away; raises :class:`Conflict` (`no_change`)."""
    live = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True, may_post_journals=not is_permitted)
    if not live.update(may_post_journals=is_permitted):
        raise Conflict(_("The key stands so already, or was revoked."), code="no_change")
    record_event(
        "margin.api_key.journals_permitted" if is_permitted else "margin.api_key.journals_forbidden",
        key,
        actor=actor,
        broker_code=key.broker.code,
    )


@transaction.atomic
def revoke_api_key(*, key: ApiKey, actor: str) -> None:
    """End a key at once; revoking it again changes nothing."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=clock.now()):
        record_event("margin.api_key.revoked", key, actor=actor, broker_code=key.broker.code)


def find_api_key(token: str) -> ApiKey | None:
    """Return the live key that `token` belongs to, or None; the secret is compared in constant time."""
    kind, _first, rest = token.partition("_")
    prefix, _second, secret = rest.partition("_")
    # PostgreSQL takes no NUL in text, and no prefix has anything but hexadecimal digits.
    is_possible = prefix.isascii() and prefix.isalnum()
    keys = ApiKey.objects.select_related("broker__book").filter(prefix=prefix, revoked_at__isnull=True)
    key = keys.first() if is_possible else None
    expected = key.secret_hash if key else _hash("")
    matches = hmac.compare_digest(expected, _hash(secret))
    return key if matches and kind == KEY_PREFIX and secret else None


def _hash(secret: str) -> str:
    """Secrets are 256 random bits, so one round of SHA-256 is as good as a slow hash."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _check_charge(field: str, value: Decimal, *, places: int, below: int | None = None) -> None:
    try:
        to_atoms(value, places)
    except InexactValue as error:
        raise Invalid(str(error), field=field, code="inexact") from error
    if value < 0 or (below is not None and value >= below):
        raise Invalid(_("%(value)s is out of range.") % {"value": value}, field=field, code="out_of_range")
