"""The feed of what happened can be read again from any point."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from ledger.core.models import Event
from ledger.models import Journal
from tests.builders import at, v01

from .conftest import NOW, broken_rules, system_of


@pytest.mark.django_db(transaction=True)
def test_events_are_read_on_from_a_cursor_and_none_is_skipped():
    world, _chan = v01()
    with at(NOW):
        system = system_of(world.broker)
        first = system.get("events", limit=3).json()
        seen = list(first["results"])
        while (page := system.get("events", after=seen[-1]["cursor"], limit=3).json())["results"]:
            seen += page["results"]
        assert page["next_cursor"] == seen[-1]["cursor"]

        mine = Event.objects.filter(broker_code="HARBOUR").order_by("transaction", "id")
        told = [event["topic"] for event in seen]
        assert [topic for topic in told if topic != "ledger.journal.posted"] == [
            event.topic for event in mine
        ]
        assert told.count("ledger.journal.posted") == Journal.objects.count() == 4
        assert "margin.drawdown.booked" in {event["topic"] for event in seen}
        assert system.get("events", limit=3).json() == first

        system.post("clients", {"number": "C002", "name": "Ho Ka Yan"})
        [opened] = system.get("events", after=seen[-1]["cursor"]).json()["results"]
        assert (opened["topic"], opened["subject_type"]) == ("margin.client.opened", "margin.client")


@pytest.mark.django_db(transaction=True)
def test_an_event_waits_until_no_earlier_one_can_still_come():
    world, _chan = v01()
    with at(NOW):
        system = system_of(world.broker)
        start = system.get("events", limit=500).json()["next_cursor"]
        other = connection.copy()
        try:
            other.set_autocommit(False)
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_current_xact_id()")
            with transaction.atomic():
                system_of(world.broker)
            assert system.get("events", after=start).json()["results"] == []
            other.rollback()
        finally:
            other.close()
        assert len(system.get("events", after=start).json()["results"]) == 1


@pytest.mark.django_db
def test_a_cursor_that_is_none():
    world, _chan = v01()
    with at(NOW):
        for after in ("", "1", "a-b", "-1-1", "9" * 40 + "-1"):
            assert broken_rules(system_of(world.broker).get("events", after=after)) == [
                ("after", "unknown_cursor")
            ]
