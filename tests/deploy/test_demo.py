"""The demonstration in small: a few clients live through two weeks of May 2022."""

from __future__ import annotations

import json
from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from deploy.backtest.history import load
from deploy.demo import clients, firm, haircuts, replay
from ledger.core.models import Event
from ledger.models import Entry
from margin.models import HaircutBacktest, StressRun, Valuation

LAST_DAY = date(2022, 5, 12)


@pytest.fixture
def two_weeks(monkeypatch):
    """Twelve clients until the day the market of virtual assets broke."""
    monkeypatch.setattr(clients, "COUNT", 12)
    monkeypatch.setattr(replay, "STORY_TO", LAST_DAY)
    monkeypatch.setattr(haircuts, "ACCOUNTS", 2)
    monkeypatch.setattr(haircuts, "load", lambda *_years: load(date(2022, 3, 1), LAST_DAY))


def demo() -> dict[str, int | float]:
    out = StringIO()
    call_command("demo", "--no-serve", "--json", stdout=out)
    figures = json.loads(out.getvalue())
    figures.pop("seconds")
    return figures


@pytest.mark.django_db(transaction=True)
def test_the_story_is_told_once_however_often_it_is_asked_for(two_weeks):
    first = demo()
    entries, events = Entry.objects.count(), Event.objects.count()
    assert first["accounts"] == 12
    assert first["valuations"] == Valuation.objects.filter(run__isnull=False).count() > 12 * 12
    assert first["margin_calls_issued"] > 0
    assert first["audit_findings"] == 0
    [stress_test] = StressRun.objects.all()
    assert (stress_test.month, stress_test.account_count) == (date(2022, 5, 1), 12)
    assert HaircutBacktest.objects.get().rows.count() == len(haircuts.HAIRCUTS)

    assert demo() == first
    assert (Entry.objects.count(), Event.objects.count()) == (entries, events)


@pytest.mark.django_db(transaction=True)
def test_a_story_that_was_broken_off_is_taken_up_again(two_weeks, monkeypatch):
    live_day = replay._live

    def break_off(broker, day):
        if day == date(2022, 5, 9):
            raise KeyboardInterrupt
        live_day(broker, day)

    monkeypatch.setattr(replay, "_live", break_off)
    with pytest.raises(KeyboardInterrupt):
        demo()
    monkeypatch.setattr(replay, "_live", live_day)
    assert demo()["audit_findings"] == 0
    assert Event.objects.filter(topic=replay.DAY_TOPIC).count() == (LAST_DAY - firm.STORY_FROM).days + 1


@pytest.mark.django_db(transaction=True)
def test_a_finding_of_the_audit_fails_the_command(two_weeks):
    demo()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_balance DISABLE TRIGGER USER")
        cursor.execute("UPDATE ledger_balance SET net_atoms = net_atoms + 1 WHERE net_atoms > 0")
        cursor.execute("ALTER TABLE ledger_balance ENABLE TRIGGER USER")
    with pytest.raises(CommandError, match="audit found"):
        demo()
