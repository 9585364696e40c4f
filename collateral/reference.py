"""Reference data that every installation stands on: currencies, Bitcoin and Ether."""

from __future__ import annotations

from typing import Any

from ledger.models import Asset

from .models import Instrument

CURRENCIES = (("HKD", "Hong Kong dollar"), ("USD", "US dollar"), ("CNY", "Renminbi"))

# Codes of the Digital Token Identifier Foundation (ISO 24165), by which the rules know them.
VIRTUAL_ASSETS = (("BTC", "Bitcoin", 8, "4H95J0R2X"), ("ETH", "Ether", 18, "X9J9K872S"))


def load_reference_data(**_signal: Any) -> None:
    """Create the currencies, BTC and ETH where missing; changes nothing that exists."""
    for code, name in CURRENCIES:
        Asset.objects.get_or_create(
            code=code,
            defaults={
                "name": name,
                "kind": Asset.Kind.FIAT,
                "scale": 2,
                "is_located": False,
                "standard_code": code,
            },
        )
    for code, name, scale, identifier in VIRTUAL_ASSETS:
        asset, _created = Asset.objects.get_or_create(
            code=code,
            defaults={
                "name": name,
                "kind": Asset.Kind.VIRTUAL_ASSET,
                "scale": scale,
                "is_located": True,
                "standard_code": identifier,
            },
        )
        Instrument.objects.get_or_create(
            asset=asset,
            defaults={
                "code": code,
                "name": name,
                "venue": Instrument.Venue.VATP,
                "category": "Virtual asset",
                "trading_currency": "USD",
            },
        )
