"""The firm of the demonstration: people, places, policies, haircuts and the market's history."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from django.contrib.auth.models import Permission, User
from django.db import transaction
from moneyed import Money

from collateral.fx import record_rate
from collateral.haircuts import approve_haircut, propose_haircut
from collateral.instruments import import_securities_file
from collateral.models import Instrument
from collateral.price_import import PriceRow, import_prices
from collateral.price_policies import approve_price_policy, propose_price_policy
from deploy.demo import market
from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.core.calendars import load_calendars
from ledger.core.clock import HONG_KONG
from ledger.models import Asset, Location, Role
from ledger.posting import JournalRequest, credit, debit, post
from margin.brokers import open_broker
from margin.golive import approve_launch, propose_launch
from margin.models import Broker, CallDeadline, RatePlan, StressScenario
from margin.policies import approve_policy, propose_policy
from margin.staff import assign_staff
from margin.stress.sets import SUGGESTED, approve_set, propose_set

CODE: Final = "HARBOUR"
HISTORY_FROM: Final = date(2021, 1, 1)
HISTORY_TO: Final = date(2025, 12, 31)
STORY_FROM: Final = date(2022, 5, 1)
STORY_TO: Final = date(2022, 7, 15)

MAKER: Final = "wong"
CHECKER: Final = "lee"
ADMINISTRATOR: Final = "admin"
ROOMS: Final = ("core", "ledger", "collateral", "margin")

MIDNIGHT_UTC: Final = time(8)
OPENS_AT: Final = time(9, 30)
CLOSES_AT: Final = time(16, 8)

CAPITAL: Final = Decimal("800000000.00")

# House values: the broad market at 30%, shares that swung most at 45%, coins at the floor of 26EC5 or above.
WIDE_HAIRCUT: Final = Decimal("0.30")
SWINGING_HAIRCUT: Final = Decimal("0.45")
SWINGING: Final = frozenset(
    {
        "00241",
        "00285",
        "00316",
        "00960",
        "01024",
        "01209",
        "02015",
        "02313",
        "06618",
        "06690",
        "09626",
        "09868",
        "09888",
        "09901",
        "09961",
    }
)
COIN_HAIRCUTS: Final = {"BTC": Decimal("0.60"), "ETH": Decimal("0.65")}


def people() -> dict[str, str]:
    """Make sure the three sign-ins exist, give each a new password and return the passwords by name."""
    passwords = {}
    for name in (MAKER, CHECKER, ADMINISTRATOR):
        is_administrator = name == ADMINISTRATOR
        person, _created = User.objects.get_or_create(
            username=name, defaults={"is_staff": True, "is_superuser": is_administrator}
        )
        passwords[name] = secrets.token_urlsafe(9)
        person.set_password(passwords[name])
        person.save()
        if not is_administrator:
            person.user_permissions.set(Permission.objects.filter(content_type__app_label__in=ROOMS))
    return passwords


def import_market() -> int:
    """Import the exchange's list and five years of daily prices; returns how many prices are new.

    Closing prices of every day; opening prices of the story's days, for what trades at the open.
    """
    load_calendars()
    with market.SECURITIES.open(encoding="utf-8", newline="") as file:
        import_securities_file(file, actor="import")
    shares = import_prices(_share_prices(), source="SEHK daily", actor="import")
    coins = import_prices(_coin_prices(), source="VA daily", actor="import")
    return shares.created + coins.created


@transaction.atomic
def found() -> Broker:
    """Found Harbour Securities on the eve of the story, with its policies proposed by one and approved by another."""
    maker = User.objects.get(username=MAKER)
    checker = User.objects.get(username=CHECKER)
    ccass = Location.objects.create(code="CCASS", name="CCASS", kind=Location.Kind.CCASS)
    platform = Location.objects.create(
        code="VATP-OMNIBUS", name="Licensed platform, omnibus account", kind=Location.Kind.VATP
    )
    broker = open_broker(
        code=CODE,
        name="Harbour Securities",
        is_virtual_asset_broker=True,
        va_financing_from=STORY_FROM - timedelta(days=30),
        clearing_location=ccass,
        virtual_asset_location=platform,
        commission_rate=Decimal("0.0025"),
        commission_minimum=Decimal("100.00"),
        virtual_asset_fee_rate=Decimal("0.002"),
        actor=ADMINISTRATOR,
    )
    post(
        broker.book,
        JournalRequest(
            key="opening-capital",
            kind="capital",
            legs=(
                debit(AccountKey(Role.NOSTRO, "HKD"), CAPITAL),
                credit(AccountKey(Role.HOUSE_CAPITAL, "HKD"), CAPITAL),
            ),
            value_on=clock.today(),
            narrative="Capital and bank lines to lend from",
        ),
        actor=ADMINISTRATOR,
    )
    for officer in (maker, checker):
        assign_staff(user=officer, broker=broker, actor=ADMINISTRATOR)
    _price_policies(maker, checker)
    _haircuts(maker, checker)
    for name, rate in (("Standard", "0.08"), ("Preferred", "0.068")):
        RatePlan.objects.create(
            broker=broker,
            name=name,
            valid_from=HISTORY_FROM,
            rate_per_annum=Decimal(rate),
            excess_rate_per_annum=Decimal(rate) + Decimal("0.05"),
        )
    _margin_policy(broker, maker, checker)
    _scenarios(broker, maker, checker)
    approve_launch(propose_launch(broker=broker, maker=maker), checker=checker)
    record_rate(
        base="USD",
        quote="HKD",
        bid=market.USD_HKD,
        ask=market.USD_HKD,
        observed_at=clock.now(),
        source="assumed 7.80",
        actor="import",
    )
    return broker


def moment(on: date, at: time) -> datetime:
    """Combine a Hong Kong date and time."""
    return datetime.combine(on, at, tzinfo=HONG_KONG)


def _share_prices() -> Iterator[PriceRow]:
    for row in market.hk_prices(HISTORY_FROM, HISTORY_TO):
        if STORY_FROM <= row.on <= STORY_TO:
            yield PriceRow(row.stock_code, row.open, "HKD", moment(row.on, OPENS_AT))
        yield PriceRow(row.stock_code, row.close, "HKD", moment(row.on, CLOSES_AT))


def _coin_prices() -> Iterator[PriceRow]:
    for row in market.va_prices(HISTORY_FROM, HISTORY_TO):
        # The day of the file ends at midnight UTC, which is eight in the morning in Hong Kong.
        yield PriceRow(row.asset, row.close, "USD", moment(row.on + timedelta(days=1), MIDNIGHT_UTC))


def _price_policies(maker: User, checker: User) -> None:
    """The demonstration's market ticks once or twice a day; a live firm's coins go stale in seconds (8.18)."""
    hours = 3_600
    for kind, counts_sessions, soft, hard in (
        (Asset.Kind.SECURITY, True, 0, 0),
        (Asset.Kind.VIRTUAL_ASSET, False, 24 * hours, 30 * hours),
    ):
        proposal = propose_price_policy(
            asset_kind=kind,
            valid_from=HISTORY_FROM,
            counts_sessions=counts_sessions,
            soft_age_seconds=soft,
            hard_age_seconds=hard,
            deviation_limit=Decimal("0.50"),
            maker=maker,
            reason="Daily market data",
        )
        approve_price_policy(proposal, checker=checker)


def _haircuts(maker: User, checker: User) -> None:
    priced = (
        Instrument.objects.filter(prices__isnull=False).distinct().select_related("asset").order_by("code")
    )
    for instrument in priced:
        standard = SWINGING_HAIRCUT if instrument.code in SWINGING else WIDE_HAIRCUT
        proposal = propose_haircut(
            asset=instrument.asset,
            haircut=COIN_HAIRCUTS.get(instrument.code, standard),
            valid_from=HISTORY_FROM,
            maker=maker,
            reason="Opening schedule",
        )
        approve_haircut(proposal, checker=checker)


def _scenarios(broker: Broker, maker: User, checker: User) -> None:
    together = {
        "code": "platforms",
        "kind": StressScenario.Kind.CORRELATED_GROUP,
        "name": "Internet platforms halve together",
        "named": "00700 03690 09618 09888 09988 09999",
        "named_change": Decimal("-0.50"),
    }
    usual = [scenario | {"name": str(scenario["name"])} for scenario in SUGGESTED]
    proposal = propose_set(
        broker=broker,
        valid_from=HISTORY_FROM,
        scenarios=[*usual, together],
        maker=maker,
        reason="Opening scenarios",
    )
    approve_set(proposal, checker=checker)


def _margin_policy(broker: Broker, maker: User, checker: User) -> None:
    policy = propose_policy(
        broker=broker,
        maker=maker,
        valid_from=HISTORY_FROM,
        warn_utilisation=Decimal("0.85"),
        call_utilisation=Decimal(1),
        immediate_utilisation=Decimal("1.30"),
        target_utilisation=Decimal("0.95"),
        minimum_call=Money("1000.00", "HKD"),
        deadline_business_days=1,
        deadline_cutoff=time(15),
        outage_grace_minutes=120,
        automatic_release_limit=Money("500000.00", "HKD"),
        price_band=Decimal("0.05"),
        securities_share_minimum=Decimal("0.20"),
        reason="Opening policy",
        deadlines=[
            {
                "secured_by": CallDeadline.SecuredBy.VIRTUAL_ASSETS,
                "calendar": CallDeadline.Clock.STATUTORY,
                "business_days": 1,
                "cutoff": time(15),
            }
        ],
    )
    approve_policy(policy, checker=checker)
