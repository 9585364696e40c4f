"""Journals as callers send them, read to what the posting path takes.

The declared fields are the published schema and say what is wrong. An ordinary journal is read without them, by
:func:`_at_once`, which is several times as fast and takes nothing that they would not take.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.fields import empty

from ledger.core.api.fields import CommandSerializer, StrictDateField, TextField, quantity_field
from ledger.core.errors import Invalid
from ledger.models import Role
from ledger.preview import Mode
from ledger.requests import (
    ENTRIES_PER_JOURNAL_MAX,
    JOURNALS_PER_BATCH_MAX,
    TEXT_LENGTHS_MAX,
    AccountKey,
    JournalRequest,
    Leg,
    check_size,
)

KIND_DEFAULT: Final = "manual"
_WORD: Final = r"^[a-z][a-z0-9_]*\Z"


class Side(models.TextChoices):
    DEBIT = "debit", gettext_lazy("Debit")
    CREDIT = "credit", gettext_lazy("Credit")


class LegList(serializers.ListSerializer[Any]):
    def to_internal_value(self, data: Any) -> tuple[Leg, ...]:
        if isinstance(data, list) and len(data) > ENTRIES_PER_JOURNAL_MAX:
            raise Invalid(
                _("A journal has at most %(most)s entries.") % {"most": ENTRIES_PER_JOURNAL_MAX},
                field="legs",
                code="journal_size",
                limit=ENTRIES_PER_JOURNAL_MAX,
            )
        return tuple(super().to_internal_value(data))


class LegSerializer(CommandSerializer):
    """One entry to be, on the account of this role, asset, client and location; opened when it is new."""

    role = serializers.ChoiceField(choices=Role.choices)
    asset = TextField(max_length=16)
    client = TextField(
        max_length=40,
        required=False,
        default="",
        allow_blank=True,
        help_text=gettext_lazy("Client number; empty for the house."),
    )
    location = TextField(
        max_length=32,
        required=False,
        default="",
        allow_blank=True,
        help_text=gettext_lazy("Where it lies; empty for money."),
    )
    side = serializers.ChoiceField(choices=Side.choices)
    quantity = quantity_field(is_positive=True)

    class Meta:
        list_serializer_class = LegList

    def to_internal_value(self, data: Any) -> Leg:
        values = super().to_internal_value(data)
        key = AccountKey(values["role"], values["asset"], values["client"], values["location"])
        return Leg(key, values["quantity"] if values["side"] == Side.DEBIT else -values["quantity"])


EXAMPLE: Final = {
    "kind": "fee_correction",
    "value_on": "2026-04-02",
    "cause": "client:C001",
    "narrative": "Fee charged twice in March",
    "legs": [
        {"role": "fee_income", "asset": "HKD", "side": "debit", "quantity": "120.50"},
        {"role": "client_cash", "asset": "HKD", "client": "C001", "side": "credit", "quantity": "120.50"},
    ],
}


class JournalFields(CommandSerializer):
    kind = TextField(
        max_length=TEXT_LENGTHS_MAX["kind"],
        required=False,
        default=KIND_DEFAULT,
        validators=[RegexValidator(_WORD)],
        help_text=gettext_lazy("Your name for what happened: lower-case letters, digits and underscores."),
    )
    value_on = StrictDateField(help_text=gettext_lazy("Value date."))
    cause = TextField(
        max_length=TEXT_LENGTHS_MAX["cause"],
        required=False,
        default="",
        allow_blank=True,
        help_text=gettext_lazy("What made it, for instance `client:C001`."),
    )
    narrative = TextField(
        max_length=TEXT_LENGTHS_MAX["narrative"], required=False, default="", allow_blank=True
    )
    legs = LegSerializer(many=True, min_length=2, max_length=ENTRIES_PER_JOURNAL_MAX)  # type: ignore[call-arg]


@extend_schema_serializer(examples=[OpenApiExample("A fee given back", request_only=True, value=EXAMPLE)])
class PostJournalSerializer(JournalFields):
    """One journal: legs that sum to zero per asset, and per location for what lies somewhere."""

    def run_validation(self, data: Any = empty) -> Any:
        is_without_key = isinstance(data, dict) and "key" not in data
        read = _at_once({**data, "key": "-"}) if is_without_key else None
        if read is None:
            return super().run_validation(data)
        return {name: getattr(read, name) for name in _ITEM_NAMES - {"key"}}


class ItemList(serializers.ListSerializer[Any]):
    def to_internal_value(self, data: Any) -> list[JournalRequest]:
        if isinstance(data, list):
            check_size(len(data))
        return list(super().to_internal_value(data))

    def run_child_validation(self, data: Any) -> JournalRequest:
        read = _at_once(data)
        return read if read is not None else super().run_child_validation(data)


class BatchItemSerializer(JournalFields):
    """A journal of a batch with a key of its own, under which it is booked once whatever batch brings it."""

    key = TextField(max_length=TEXT_LENGTHS_MAX["key"], validators=[RegexValidator(r"^[\x21-\x7e]+\Z")])

    class Meta:
        list_serializer_class = ItemList

    def to_internal_value(self, data: Any) -> JournalRequest:
        return JournalRequest(**super().to_internal_value(data))


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One fee given back",
            request_only=True,
            value={"mode": "independent", "journals": [{"key": "fee-0001", **EXAMPLE}]},
        )
    ]
)
class PostBatchSerializer(CommandSerializer):
    """Journals to be booked in order: `all_or_none`, or `independent` with a result for each."""

    mode = serializers.ChoiceField(choices=[(mode.value, mode.value) for mode in Mode])
    journals = BatchItemSerializer(many=True, min_length=1, max_length=JOURNALS_PER_BATCH_MAX)  # type: ignore[call-arg]


class ReverseJournalSerializer(CommandSerializer):
    """Take back all that is left of a journal or, with `legs`, a part of it: named as it was booked."""

    reason = TextField(max_length=TEXT_LENGTHS_MAX["narrative"])
    value_on = StrictDateField(
        required=False, default=None, help_text=gettext_lazy("Value date; today unless given.")
    )
    legs = LegSerializer(  # type: ignore[call-arg]
        many=True, required=False, default=None, min_length=2, max_length=ENTRIES_PER_JOURNAL_MAX
    )


_ROLES: Final = frozenset(Role.values)
_QUANTITY: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,18})?\Z", re.ASCII)
_KIND: Final = re.compile(_WORD, re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}\Z")
_ITEM_NAMES: Final = frozenset({"key", "kind", "value_on", "cause", "narrative", "legs"})
_LEG_NAMES: Final = frozenset({"role", "asset", "client", "location", "side", "quantity"})
_LENGTHS_MAX: Final = {"asset": 16, "client": 40, "location": 32}


class _NotOrdinary(ValueError):
    """A value that the declared fields are to look at."""


def _at_once(item: Any) -> JournalRequest | None:
    """Read an ordinary journal; None for one that the declared fields are to look at."""
    try:
        if not item.keys() <= _ITEM_NAMES or not 2 <= len(item["legs"]) <= ENTRIES_PER_JOURNAL_MAX:
            return None
        key, kind, value_on = item["key"], item.get("kind", KIND_DEFAULT), item["value_on"]
        if not (
            _KEY.match(key)
            and _KIND.match(kind)
            and len(kind) <= TEXT_LENGTHS_MAX["kind"]
            and _DATE.match(value_on)
        ):
            return None
        return JournalRequest(
            key=key,
            kind=kind,
            legs=tuple([_leg(leg) for leg in item["legs"]]),
            value_on=date.fromisoformat(value_on),
            cause=_text(item.get("cause", ""), TEXT_LENGTHS_MAX["cause"]),
            narrative=_text(item.get("narrative", ""), TEXT_LENGTHS_MAX["narrative"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _leg(leg: Any) -> Leg:
    role, asset, side, written = leg["role"], leg["asset"], leg["side"], leg["quantity"]
    if not (asset and leg.keys() <= _LEG_NAMES and role in _ROLES and _QUANTITY.match(written)):
        raise _NotOrdinary
    quantity = Decimal(written)
    if not quantity or side not in ("debit", "credit"):
        raise _NotOrdinary
    key = AccountKey(
        role,
        _text(asset, _LENGTHS_MAX["asset"]),
        _text(leg.get("client", ""), _LENGTHS_MAX["client"]),
        _text(leg.get("location", ""), _LENGTHS_MAX["location"]),
    )
    return Leg(key, quantity if side == "debit" else -quantity)


def _text(value: Any, length_max: int) -> str:
    """Return plain text; what is empty only in spaces, or holds what PostgreSQL does not keep, is not ordinary."""
    if (
        type(value) is str
        and len(value) <= length_max
        and (not value or (value.isprintable() and value.strip()))
    ):
        return value
    raise _NotOrdinary
