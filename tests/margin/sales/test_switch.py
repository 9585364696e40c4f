"""The kill switch: a reason, an event, and nothing planned while it is on."""

from __future__ import annotations

import pytest

from ledger.core.errors import Conflict, Invalid
from ledger.core.models import Event
from margin.models import Broker
from margin.sales.switch import set_forced_sales_stopped
from tests.builders import harbour

pytestmark = pytest.mark.django_db


def test_the_switch_is_thrown_and_thrown_back_with_its_reasons():
    broker = harbour().broker

    set_forced_sales_stopped(broker=broker, is_stopped=True, actor="mei", reason="Venue outage")
    assert Broker.objects.get().are_forced_sales_stopped
    set_forced_sales_stopped(broker=broker, is_stopped=False, actor="kwok", reason="Venue is back")
    assert not Broker.objects.get().are_forced_sales_stopped

    events = Event.objects.filter(topic__startswith="margin.broker.sales_").order_by("pk")
    assert [(event.topic, event.actor, event.reason) for event in events] == [
        ("margin.broker.sales_stopped", "mei", "Venue outage"),
        ("margin.broker.sales_resumed", "kwok", "Venue is back"),
    ]


def test_it_needs_a_reason():
    with pytest.raises(Invalid) as refused:
        set_forced_sales_stopped(broker=harbour().broker, is_stopped=True, actor="mei", reason="  ")
    assert refused.value.reason == "reason_required"


def test_it_is_not_thrown_where_it_stands_already():
    with pytest.raises(Conflict) as refused:
        set_forced_sales_stopped(broker=harbour().broker, is_stopped=False, actor="mei", reason="To be sure")
    assert refused.value.reason == "wrong_state"
