"""Some two hundred clients with portfolios and loans of their own, the same ones every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Final

from collateral.models import Instrument
from ledger.core import clock
from ledger.core.decimals import floor_to, round_down
from margin.clients import approve_va_financing, open_client, open_facility
from margin.custody import deposit_collateral
from margin.lending import drawdown
from margin.market import Market
from margin.models import Broker, Client, Facility, LoanMovement
from margin.valuations import assess

COUNT: Final = 200
SEED: Final = 20_220_501
ACTOR: Final = "wong"
SATOSHI: Final = Decimal("0.00000001")
THOUSAND: Final = Decimal(1000)

SURNAMES: Final = tuple(
    "Chan,Wong,Lee,Cheung,Lam,Leung,Ho,Ng,Lau,Yip,Tang,Kwok,Cheng,Fung,Mak,Chow,Tse,Yeung,Tsang,Chu".split(
        ","
    )
)
GIVEN: Final = tuple(
    "Siu Ming,Ka Yan,Wai Kit,Mei Ling,Chi Keung,Hoi Yan,Tsz Ching,Kwok Wah,Yuk Lan,Pak Ho,Lok Yi,Man Fai".split(
        ","
    )
)
COMPANIES: Final = ("Trading", "Holdings", "Investments", "Textiles", "Logistics")


@dataclass(frozen=True, slots=True)
class Habit:
    """How a client takes a call, drawn once: pays it, tops up securities, pays half, or does nothing."""

    name: str
    weight: int


HABITS: Final = (Habit("pays", 45), Habit("tops_up", 15), Habit("pays_half", 15), Habit("silent", 25))


def open_all(broker: Broker, advance: Callable[[], None]) -> None:
    """Open every client of the demonstration; `advance` is called after each."""
    dice = Random(SEED)  # noqa: S311  a demonstration's dice, not a secret
    shares = list(
        Instrument.objects.filter(prices__isnull=False, venue=Instrument.Venue.SEHK)
        .distinct()
        .order_by("code")
    )
    coins = {coin.code: coin for coin in Instrument.objects.filter(venue=Instrument.Venue.VATP)}
    for number in range(1, COUNT + 1):
        _open(broker, number, dice, shares, coins)
        advance()


def habit(client: Client) -> str:
    """Return what this client does about a call."""
    dice = Random(f"{SEED}/{client.number}")  # noqa: S311
    return dice.choices([habit.name for habit in HABITS], [habit.weight for habit in HABITS])[0]


def _open(
    broker: Broker, number: int, dice: Random, shares: list[Instrument], coins: dict[str, Instrument]
) -> None:
    is_company = dice.random() < 0.15
    surname = dice.choice(SURNAMES)
    name = f"{surname} {dice.choice(COMPANIES)} Ltd" if is_company else f"{surname} {dice.choice(GIVEN)}"
    client = open_client(
        broker=broker,
        number=f"C{number:04}",
        name=name,
        kind=Client.Kind.CORPORATE if is_company else Client.Kind.INDIVIDUAL,
        language=dice.choice([Client.Language.ENGLISH, Client.Language.CHINESE]),
        credit_review_due_on=clock.today() + timedelta(days=365),
        actor=ACTOR,
    )
    style = dice.choices(["shares", "mixed", "coins"], [50, 30, 20])[0]
    budget = THOUSAND * dice.randrange(800, 12_000)
    coin_share = {"shares": Decimal(0), "mixed": Decimal("0.35"), "coins": Decimal("0.60")}[style]
    facility = open_facility(
        client=client,
        credit_limit=budget,
        rate_plan="Preferred" if budget > THOUSAND * 8_000 else "Standard",
        actor=ACTOR,
    )
    if coin_share:
        approve_va_financing(client=client, actor=ACTOR)
    chosen = dice.sample(shares, dice.randint(1, 5))
    _pledge(facility, chosen, budget * (1 - coin_share))
    if coin_share:
        held = dice.choice([["BTC"], ["ETH"], ["BTC", "ETH"]])
        _pledge(facility, [coins[code] for code in held], budget * coin_share)
    _borrow(facility, Decimal(dice.randrange(55, 98)) / 100, bool(coin_share))


def _pledge(facility: Facility, instruments: list[Instrument], budget: Decimal) -> None:
    """Spread a budget evenly over instruments, in board lots or satoshis, at today's prices."""
    codes = [instrument.code for instrument in instruments]
    prices = Market.at_moment(facility.client.broker, codes, at=clock.now(), currency=facility.currency)
    for instrument in instruments:
        quote = prices.quotes[instrument.code]
        unit_value = quote.price * prices.rates[quote.currency].bid
        step = Decimal(instrument.board_lot) if instrument.board_lot else SATOSHI
        quantity = max(floor_to(budget / len(instruments) / unit_value, step), step)
        deposit_collateral(
            client=facility.client,
            asset=instrument.code,
            quantity=quantity,
            key=f"opening-{instrument.code}",
            actor=ACTOR,
        )


def _borrow(facility: Facility, utilisation: Decimal, has_coins: bool) -> None:
    limit = assess(facility).value.effective_limit
    purpose = LoanMovement.Purpose.VIRTUAL_ASSETS if has_coins else LoanMovement.Purpose.SECURITIES
    drawdown(
        facility=facility,
        amount=round_down(floor_to(limit * utilisation, THOUSAND)),
        purpose=purpose,
        key="opening",
        actor=ACTOR,
    )
