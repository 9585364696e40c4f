"""Peak Brokerage knows nothing of Harbour Securities' client, whatever address it tries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

from ledger import holds, limits, periods
from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.core.api.views import ScopedView, SharedView, UnknownAddress
from ledger.corporate_actions.proposals import Terms, propose
from ledger.holds import HoldRequest
from ledger.models import Account, AccountLimit, Asset, Book, CorporateAction, Hold, Journal, PeriodChange
from margin.api.events import EventFeedView
from margin.caps import propose_cap
from margin.contract_notes.issuing import issue_due
from margin.decisions import propose_decision
from margin.groups import open_group
from margin.models import (
    Broker,
    CallDecision,
    ClientGroup,
    CollateralCap,
    ContractNote,
    MarginCall,
    Notice,
    SaleStop,
    ScenarioSet,
    SettlementInstruction,
    StressRun,
)
from margin.notices.outbox import tell
from margin.sales.switch import put_stop
from margin.stress.runs import run_stress
from tests.builders import D, at, user
from tests.margin.stress.firm import approved

from .conftest import House, peak_brokerage, problem, system_of
from .stories import sealed, with_an_unsettled_trade

# These show rows of no firm, or filter by the caller's firm themselves and are tried below.
SHARED = (SharedView, EventFeedView, UnknownAddress)


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, type[APIView]]]:
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, path)
        elif isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "cls", None)
            if view is not None and path.startswith("api/v1/") and "schema" not in path:
                yield path.removeprefix("api/v1/"), view


ROUTES = sorted(routes(get_resolver()), key=lambda route: route[0])
SCOPED = [(path, view) for path, view in ROUTES if issubclass(view, ScopedView)]
ONE = [(path, view) for path, view in SCOPED if "<" in path]
MANY = [(path, view) for path, view in SCOPED if "<" not in path]


def test_every_view_says_whose_rows_it_shows():
    assert len(SCOPED) >= 25
    assert [path for path, view in ROUTES if not issubclass(view, (ScopedView, *SHARED))] == []


def test_a_view_that_does_not_say_cannot_be_routed():
    class Forgetful(ScopedView):
        model = Journal

    with pytest.raises(TypeError, match="Forgetful does not say for_caller"):
        Forgetful.as_view()


def split_of_tencent() -> CorporateAction:
    """An action that waits for its checker, of a share that Ms Chan has pledged."""
    known = CorporateAction.objects.filter(reference="2026-0402").first()
    terms = Terms("2026-0402", "split", "00700", date(2026, 4, 3), ratio_new=5, ratio_old=1)
    return known or propose(terms=terms, maker=user("wong"))


def stop_of(broker: Broker) -> SaleStop:
    """A stop over coins that nobody has lifted yet."""
    return SaleStop.objects.first() or put_stop(
        broker=broker, asset=Asset.objects.get(code="BTC"), reason="doubt", actor="wong"
    )


def cap_of(broker: Broker) -> CollateralCap:
    """A cap that waits for its checker, in a firm with one client group."""
    if not ClientGroup.objects.filter(broker=broker).exists():
        open_group(broker=broker, name="Chan family", actor="wong")
    terms = {"scope": "group", "measure": "single_name", "share": "0.40", "valid_from": clock.today()}
    return CollateralCap.objects.first() or propose_cap(broker=broker, maker=user("wong"), **terms)


def stress_test_of(broker: Broker) -> StressRun:
    """What the firm's scenarios would do to Ms Chan."""
    return StressRun.objects.first() or run_stress(
        broker=broker, scenario_set=ScenarioSet.objects.first() or approved(broker)
    )


def limit_of_the_loan() -> AccountLimit:
    loan = Account.objects.get(owner="C001", role="loan_principal")
    values = {"floor": "0", "ceiling": None, "effective_on": clock.today(), "reason": "Policy"}
    return AccountLimit.objects.first() or limits.propose(account=loan, maker=user("wong"), **values)


def closing_of_march() -> PeriodChange:
    book = Book.objects.get(code="HARBOUR")
    values = {"kind": "close", "through": date(2026, 3, 31), "reason": "Quarter end"}
    return PeriodChange.objects.first() or periods.propose(book=book, maker=user("wong"), **values)


def deviation_from(call: MarginCall) -> CallDecision:
    """Somebody's wish to hold Ms Chan's sale back."""
    values = {"reason_code": "other", "reason": "Holiday", "risk_assessment": "Small"}
    until = clock.now() + timedelta(days=99)
    return CallDecision.objects.first() or propose_decision(
        call=call, kind="deviation", maker=user("wong"), expires_at=until, **values
    )


def notice_of(call: MarginCall) -> Notice:
    """A reminder to Ms Chan, who has given an e-mail address since."""
    call.facility.client.email = "chan@example.com"
    return Notice.objects.first() or tell(call, "reminder")[0]


def note_of_the_trade(house: House) -> ContractNote:
    """The contract note of what was sold, issued on the day after."""
    with at("2026-04-09 00:10"):
        issue_due(broker=house.world.broker)
    return ContractNote.objects.get()


def coins_held(house: House) -> Hold:
    """Some of Ms Chan's bitcoin, set aside by a person."""
    book = house.world.broker.book
    wish = HoldRequest(
        AccountKey("client_collateral", "BTC", "C001", "VATP"),
        AccountKey("custody", "BTC", location="VATP"),
        D("0.1"),
    )
    return holds.place(book, [wish], key="h1", actor="wong").holds[0]


def addressed(path: str, house: House) -> str:
    """Fill an address with the ids of Ms Chan's rows."""
    facility = house.chan
    call = facility.calls.get()
    ids = {
        "clients": "C001",
        "facilities": facility.pk,
        "valuations": call.valuation_id,
        "margin-calls": call.pk,
        "forced-sales": call.sales.get().pk,
        "journals": Journal.objects.latest("pk").pk,
        "accounts": Account.objects.filter(owner="C001").latest("pk").pk,
        "corporate-actions": split_of_tencent().pk,
        "account-limits": limit_of_the_loan().pk,
        "period-changes": closing_of_march().pk,
        "holds": coins_held(house).pk,
        "hold-groups": coins_held(house).pk,
        "margin-policies": house.world.broker.marginpolicy_set.get().pk,
        "firms": "HARBOUR",
        "notices": notice_of(call).pk,
        "call-decisions": deviation_from(call).pk,
        "contract-notes": note_of_the_trade(house).pk,
        "settlement-instructions": SettlementInstruction.objects.get().pk,
        "collateral-caps": cap_of(house.world.broker).pk,
        "sale-stops": stop_of(house.world.broker).pk,
        "scenario-sets": stress_test_of(house.world.broker).scenario_set_id,
        "stress-tests": stress_test_of(house.world.broker).pk,
    }
    return re.sub(r"<\w+:\w+>", str(ids[path.split("/")[0]]), path)


def test_another_firms_rows_are_not_there(house: House):
    with_an_unsettled_trade(house)
    sealed()
    peak = system_of(peak_brokerage(), may_post_journals=True)
    tried = 0
    for path, view in ONE:
        address = addressed(path, house)
        if hasattr(view, "get"):
            tried += 1
            assert_unknown(peak.get(address), address)
            assert house.system.get(address).status_code == 200, address
        if hasattr(view, "post") and not view.needs_a_person:
            tried += 1
            problem(peak.post(address, {}), 404, "not_found")
            assert house.system.post(address, {}).status_code != 404, address
    assert tried >= 18


def assert_unknown(response: Any, address: str) -> None:
    """Another firm's row is 404; what lists below it is 404 or empty."""
    if response.status_code != 404:
        assert response.json() == {"results": [], "next_cursor": None}, address


def test_lists_show_ones_own_rows_only(house: House):
    coins_held(house)
    call = with_an_unsettled_trade(house).fill.order.leg.sale.call
    deviation_from(call)
    notice_of(call)
    sealed()
    assert limit_of_the_loan().pk
    assert note_of_the_trade(house).pk
    assert closing_of_march().pk
    assert cap_of(house.world.broker).pk
    assert stop_of(house.world.broker).pk
    assert stress_test_of(house.world.broker).pk
    peak = system_of(peak_brokerage())
    lists = ((path, view) for path, view in MANY if hasattr(view, "get") and not path.endswith(".csv"))
    for path, _view in lists:
        theirs = peak.get(path).json()["results"]
        assert [row for row in theirs if row.get("broker") != "PEAK"] == [], path
        assert house.system.get(path).json()["results"] != [], path


def test_the_feed_tells_a_firm_its_own_events_only(house: House):
    broker = peak_brokerage()
    events = system_of(broker).get("events").json()["results"]
    assert "C001" not in str(events)


def test_the_same_number_names_another_client_at_another_firm(house: House):
    peak = system_of(peak_brokerage())
    peak.post("clients", {"number": "C001", "name": "Chan Ka Ho"})
    peak.post("clients/C001/cash-deposits", {"currency": "HKD", "amount": "7.00"})

    assert peak.get("clients/C001").json()["name"] == "Chan Ka Ho"
    [balance] = peak.get("balances", client="C001").json()["results"]
    assert balance["quantity"] == "7.00"
    assert house.system.get("clients/C001").json()["name"] == "Chan Siu Ming"
    harbour = house.system.get("balances", client="C001", role="client_cash").json()["results"]
    assert all(D(row["quantity"]) != 7 for row in harbour)


def test_a_facility_cannot_be_opened_for_another_firms_client(house: House):
    peak = system_of(peak_brokerage())
    body = {"client": "C001", "credit_limit": "1000000.00", "rate_plan": "Standard"}
    problem(peak.post("facilities", body), 422, "unknown_client")
