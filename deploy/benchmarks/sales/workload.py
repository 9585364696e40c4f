"""Accounts and firms that have to sell, drawn from a seed: the same number gives the same question."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any, Final

from collateral.valuation import Holding, value_account
from ledger.core.decimals import round_half_up
from margin.sales.fees import VATP_EXAMPLE, sehk_charges_on
from margin.sales.firm import FirmAccount, FirmAsset
from margin.sales.planner import Candidate

ASSETS: Final = 20
FIRM_ASSETS: Final = 8
FIRM_ACCOUNTS: Final = 300
COINS: Final = 2
CAP_SHARE: Final = Decimal("0.15")
TARGET: Final = Decimal("0.95")
SATOSHI: Final = Decimal("0.00000001")
SHARE_CHARGES: Final = sehk_charges_on(date(2025, 9, 1), Decimal("0.0025"), Decimal("100.00"))

Question = dict[str, Any]


def account(seed: int) -> Question:
    """Return what `plan_sale` is asked for one account of twenty assets."""
    random = Random(seed)  # noqa: S311  a question's dice, not a secret
    assets = [_asset(random, number) for number in range(ASSETS)]
    holdings = [Holding(each.code, _quantity(random, each), each.price, each.haircut) for each in assets]
    candidates = [
        Candidate(each.code, holding.quantity, each.step, each.price, each.fees)
        for each, holding in zip(assets, holdings, strict=True)
    ]
    margin_value = value_account(holdings, []).margin_value
    return {
        "loan": _times(margin_value, _breach(random)),
        "holdings": holdings,
        "candidates": candidates,
        "target": TARGET,
        "credit_limit": _times(margin_value, random.randint(9_500, 9_900)) if seed % 5 == 0 else None,
    }


def firm(seed: int, accounts: int = FIRM_ACCOUNTS) -> Question:
    """Return what `plan_firm` is asked for many accounts over eight assets, each sold up to a cap."""
    random = Random(seed)  # noqa: S311  a question's dice, not a secret
    assets = [_asset(random, number) for number in range(FIRM_ASSETS)]
    clients = [_client(random, assets, number) for number in range(accounts)]
    capped = []
    for asset in assets:
        held = sum((client.held.get(asset.code, Decimal(0)) for client in clients), Decimal(0))
        capped.append(replace(asset, cap=asset.step * (held * CAP_SHARE // asset.step)))
    return {"assets": capped, "accounts": clients}


def _client(random: Random, assets: list[FirmAsset], number: int) -> FirmAccount:
    held = {each.code: _quantity(random, each) for each in assets if random.random() < 0.7}
    holdings = [
        Holding(each.code, held[each.code], each.price, each.haircut) for each in assets if each.code in held
    ]
    breach = _breach(random)
    loan = _times(value_account(holdings, []).margin_value, breach)
    return FirmAccount(f"C{number:03}", loan, held, TARGET, band=int(breach >= 11_000))


def _asset(random: Random, number: int) -> FirmAsset:
    """The first are coins in their smallest step, the others shares in board lots of HKD 1 to 500."""
    code = f"A{number:02}"
    if number < COINS:
        price = Decimal(random.randint(10**6, 10**8)) / 100
        return FirmAsset(code, SATOSHI, price, Decimal("0.60"), VATP_EXAMPLE)
    cents = round(100 * 10 ** random.uniform(0, 2.7))
    haircut = Decimal(random.choice(("0.30", "0.40", "0.50", "0.70")))
    lot = Decimal(random.choice((100, 200, 400, 500, 1_000, 2_000)))
    return FirmAsset(code, lot, Decimal(cents) / 100, haircut, SHARE_CHARGES)


def _quantity(random: Random, asset: FirmAsset) -> Decimal:
    """Hold HKD 20,000 to a million of it, in whole steps and at least one."""
    value = random.randint(20_000, 1_000_000)
    return asset.step * max(value // (asset.step * asset.price), Decimal(1))


def _breach(random: Random) -> int:
    """The loan in ten thousandths of the margin value: most stand little above it, as after a night's fall."""
    return 10_001 + min(round(random.expovariate(1 / 350)), 3_000)


def _times(amount: Decimal, ten_thousandths: int) -> Decimal:
    return round_half_up(amount * ten_thousandths / 10_000)
