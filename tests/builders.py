"""Harbour Securities and its clients, built through the services that production uses."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal

from django.contrib.auth.models import User

from collateral.fx import record_rate
from collateral.haircuts import approve_haircut, propose_haircut
from collateral.models import Instrument
from collateral.price_policies import approve_price_policy, propose_price_policy
from collateral.prices import record_price
from ledger.core import clock
from ledger.core.approvals import approve
from ledger.core.calendars import load_calendars
from ledger.models import Asset, Location
from margin.brokers import open_broker
from margin.clients import approve_va_financing, open_client, open_facility
from margin.custody import deposit_collateral
from margin.golive import approve_launch, propose_launch
from margin.lending import drawdown
from margin.models import Broker, CallDeadline, Client, Facility, MarginPolicy, RatePlan

D = Decimal


def hong_kong(text: str) -> datetime:
    """Read `2026-04-02 16:30` as Hong Kong time."""
    return datetime.fromisoformat(text).replace(tzinfo=clock.HONG_KONG)


def at(text: str) -> AbstractContextManager[None]:
    """Live the block at a Hong Kong time."""
    return clock.override(hong_kong(text))


def user(name: str, **options: object) -> User:
    """Return the user of this name, made on first use, as a member of staff."""
    person, _created = User.objects.get_or_create(username=name, defaults={"is_staff": True, **options})
    return person


def security(code: str, name: str, board_lot: int, *, is_stamp_dutiable: bool = True) -> Instrument:
    """List a share that trades in Hong Kong dollars."""
    asset = Asset.objects.create(code=code, name=name, kind=Asset.Kind.SECURITY, scale=0, is_located=True)
    return Instrument.objects.create(
        asset=asset,
        code=code,
        name=name,
        venue=Instrument.Venue.SEHK,
        board_lot=board_lot,
        trading_currency="HKD",
        is_stamp_dutiable=is_stamp_dutiable,
    )


def margin_policy(broker: Broker, **changes: object) -> MarginPolicy:
    """Approve a policy: warn 85%, call above 100%, sell at once from 130%, back to 100%, due T+1 at 15:00.

    Coins keep to business days here too, so that the examples of regulation.md come out.
    """
    policy = MarginPolicy.objects.create(
        **{
            "broker": broker,
            "valid_from": date(2021, 1, 1),
            "warn_utilisation": D("0.85"),
            "call_utilisation": D("1"),
            "immediate_utilisation": D("1.30"),
            "target_utilisation": D("1"),
            "minimum_call": D("0"),
            "deadline_business_days": 1,
            "deadline_cutoff": time(15),
            "outage_grace_minutes": 120,
            "automatic_release_limit": D("0"),
            "price_band": D("0.10"),
            "securities_share_minimum": D("0.20"),
            "maker": user("wong"),
            "made_at": clock.now(),
            **changes,
        }
    )
    CallDeadline.objects.create(
        policy=policy,
        secured_by=CallDeadline.SecuredBy.VIRTUAL_ASSETS,
        calendar=CallDeadline.Clock.STATUTORY,
        business_days=policy.deadline_business_days,
        cutoff=policy.deadline_cutoff,
    )
    return approve(policy, checker=user("lee"), topic="margin.policy.approved")


def launch(broker: Broker) -> None:
    """Let a firm that lacks nothing go live."""
    approve_launch(propose_launch(broker=broker, maker=user("wong")), checker=user("lee"))
    broker.refresh_from_db()


@dataclass
class World:
    """A firm in a market, with its prices in your hands."""

    broker: Broker
    clients: dict[str, Client] = field(default_factory=dict)

    def price(self, code: str, price: str, when: str) -> None:
        """Let the market show `price` at a Hong Kong time."""
        instrument = Instrument.objects.get(code=code)
        record_price(
            instrument=instrument,
            price=D(price),
            currency=instrument.trading_currency,
            observed_at=hong_kong(when),
            source="feed",
            actor="feed",
        )

    def client(
        self, number: str, name: str, *, limit: str = "5000000.00", may_borrow_on_coins: bool = True
    ) -> Facility:
        """Open a client with a facility at the standard rate."""
        client = open_client(
            broker=self.broker,
            number=number,
            name=name,
            actor="wong",
            credit_review_due_on=date(2030, 1, 1),
        )
        facility = open_facility(client=client, credit_limit=D(limit), rate_plan="Standard", actor="wong")
        if may_borrow_on_coins:
            approve_va_financing(client=client, actor="lee")
        return facility

    def pledge(self, facility: Facility, **quantities: str) -> None:
        """Deposit collateral, named as `s00005="8000"` or `BTC="1.5"`."""
        for name, quantity in quantities.items():
            code = name.removeprefix("s")
            deposit_collateral(
                client=facility.client,
                asset=code,
                quantity=D(quantity),
                key=f"{code}-{quantity}-{clock.today()}",
                actor="wong",
            )

    def draw(self, facility: Facility, amount: str, *, purpose: str = "virtual_assets") -> None:
        drawdown(
            facility=facility,
            amount=D(amount),
            purpose=purpose,
            key=f"draw-{amount}-{clock.now()}",
            actor="wong",
        )


HAIRCUTS = {"00005": "0.30", "00700": "0.30", "BTC": "0.60", "ETH": "0.60"}


def harbour(*, since: str = "2026-03-20 09:00", policy: dict[str, object] | None = None) -> World:
    """Open Harbour Securities with HSBC, Tencent, Bitcoin and Ether, haircuts, policies and USD/HKD 7.80."""
    load_calendars()
    with at(since):
        security("00005", "HSBC HOLDINGS", 400)
        security("00700", "TENCENT", 100)
        ccass = Location.objects.create(code="CCASS", name="CCASS", kind=Location.Kind.CCASS)
        vatp = Location.objects.create(code="VATP", name="Platform wallet", kind=Location.Kind.VATP)
        broker = open_broker(
            code="HARBOUR",
            name="Harbour Securities",
            is_virtual_asset_broker=True,
            va_financing_from=date(2021, 1, 1),
            clearing_location=ccass,
            virtual_asset_location=vatp,
            commission_rate=D("0.0025"),
            commission_minimum=D("100.00"),
            virtual_asset_fee_rate=D("0.002"),
            actor="wong",
        )
        for kind, soft, hard in (("security", 0, 0), ("virtual_asset", 60, 300)):
            proposal = propose_price_policy(
                asset_kind=kind,
                valid_from=date(2021, 1, 1),
                counts_sessions=kind == "security",
                soft_age_seconds=soft,
                hard_age_seconds=hard,
                deviation_limit=D("0.90"),
                maker=user("wong"),
            )
            approve_price_policy(proposal, checker=user("lee"))
        for code, haircut in HAIRCUTS.items():
            row = propose_haircut(
                asset=Asset.objects.get(code=code),
                haircut=D(haircut),
                valid_from=date(2021, 1, 1),
                maker=user("wong"),
            )
            approve_haircut(row, checker=user("lee"))
        RatePlan.objects.create(
            broker=broker,
            name="Standard",
            valid_from=date(2021, 1, 1),
            rate_per_annum=D("0.08"),
            excess_rate_per_annum=D("0.08"),
        )
        margin_policy(broker, **(policy or {}))
        launch(broker)
        record_rate(
            base="USD",
            quote="HKD",
            bid=D("7.80"),
            ask=D("7.80"),
            observed_at=clock.now(),
            source="fixed",
            actor="feed",
        )
    return World(broker)


def v01(world: World | None = None, *, limit: str = "5000000.00") -> tuple[World, Facility]:
    """Ms Chan of example V01: 1,500,000.00 drawn on 23 March 2026, called on 2 April at 16:30."""
    world = world or harbour()
    with at("2026-03-23 16:30"):
        world.price("00005", "100.00", "2026-03-23 16:08")
        world.price("00700", "520.00", "2026-03-23 16:08")
        world.price("BTC", "110000", "2026-03-23 16:29:30")
        chan = world.client("C001", "Chan Siu Ming", limit=limit)
        world.pledge(chan, s00005="8000", s00700="1200", BTC="1.5")
        world.draw(chan, "1500000.00")
    with at("2026-04-02 16:30"):
        world.price("00005", "98.40", "2026-04-02 16:08")
        world.price("00700", "512.50", "2026-04-02 16:08")
        world.price("BTC", "95000", "2026-04-02 16:29:30")
    return world, chan
