"""A worker killed between any two steps of a forced sale, then restarted, ends in the same books as no kill.

Each life of the worker is a child process on a copy of the database, ended without ceremony right after a commit
that changed something; the next life begins again from what it finds. So every state between two commits is died
in once, and dying before a commit leaves what dying after the one before it did.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from ledger import audit
from ledger.balances import standings
from ledger.core.models import Event
from ledger.models import Journal
from margin import tasks
from margin.models import Broker, Fill, ForcedSale, MarginCall, PaperExecution, PaperOrder, SaleOrder
from margin.sales.release import approve_sale, submit_for_release
from tests.builders import D, at, harbour, user, v01
from tests.databases import copy_database, drop_database

KILLED = 137
COMMITS_MAX = 200

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def due():
    """Ms Chan's call falls due with coins and shares to sell; gives the name of a database where it has."""
    world, _chan = v01(harbour(policy={"target_utilisation": D("0.80")}))
    with at("2026-04-02 16:30"):
        tasks.accrue_interest()
        tasks.value_accounts()
    world.price("BTC", "40000", "2026-04-08 14:59:50")
    for code, price in (("00005", "98.40"), ("00700", "512.50")):
        world.price(code, price, "2026-04-08 14:59")
        world.price(code, price, "2026-04-09 16:08")
    world.price("BTC", "40000", "2026-04-10 09:30:40")
    for officer in ("wong", "lee"):
        user(officer)
    name = str(connection.settings_dict["NAME"])
    connection.close()
    yield name
    drop_database(f"{name}_crash")


def worker(*, times: int = 1) -> None:
    """What beats and officers do from the due time until everything has settled, each job `times` over."""
    with at("2026-04-08 15:00"):
        for _time in range(times):
            tasks.advance_calls()
        release()
        for _time in range(times):
            tasks.work_sales()
    with at("2026-04-10 09:31"):
        for _time in range(times):
            tasks.settle_sales()
            tasks.work_sales()


def release() -> None:
    """Two officers release what waits, wherever the worker left it."""
    for sale in ForcedSale.objects.filter(status=ForcedSale.Status.PLANNED):
        submit_for_release(sale=sale, maker=user("wong"))
    for sale in ForcedSale.objects.filter(status=ForcedSale.Status.SUBMITTED):
        approve_sale(sale=sale, checker=user("lee"), plan_hash=sale.plan_hash)


def books() -> dict[str, object]:
    """Everything that must not depend on how often the worker died."""
    broker = Broker.objects.get()
    return {
        "balances": sorted(
            [*s.key.parts(), str(s.quantity)] for s in standings(broker.book, with_empty=True)
        ),
        "journals": sorted(Counter(Journal.objects.values_list("kind", flat=True)).items()),
        "orders": sorted(
            [o.client_order_id, o.status, str(o.filled_quantity)] for o in SaleOrder.objects.all()
        ),
        "fills": sorted(
            [f.order.client_order_id, str(f.quantity), str(f.net.amount), str(f.settled_at)]
            for f in Fill.objects.select_related("order")
        ),
        "sales": sorted([s.plan_number, s.status, s.plan["legs"]] for s in ForcedSale.objects.all()),
        "calls": sorted(MarginCall.objects.values_list("number", "status")),
        "events": sorted(Counter(Event.objects.values_list("topic", flat=True)).items()),
        "findings": [str(finding) for finding in audit.run().findings],
    }


def life(database: str, work: Callable[[], None], report: Path, *, commits: int = COMMITS_MAX) -> int:
    """Run `work` in a child on `database`, ended after so many commits; returns how it ended.

    A child that comes to its end writes the books to `report`.
    """
    connection.close()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        connection.settings_dict["NAME"] = database
        _die_after(commits)
        work()
        report.write_text(json.dumps(books(), default=str))
        status = 0
    finally:
        os._exit(status)


def _die_after(commits: int) -> None:
    """Count commits of transactions that wrote or locked a row, and end the process after the last allowed."""
    commit = BaseDatabaseWrapper._commit
    done = 0

    def counted(self: BaseDatabaseWrapper) -> None:
        nonlocal done
        [(is_writing,)] = self.connection.execute(
            "SELECT pg_current_xact_id_if_assigned() IS NOT NULL"
        ).fetchall()
        commit(self)
        done += is_writing
        if done == commits:
            os._exit(KILLED)

    BaseDatabaseWrapper._commit = counted


def steps_in(database: str) -> int:
    """How much has happened: every step of the workflow leaves an event or a trace at the venue."""
    name = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = database
    try:
        return Event.objects.count() + PaperOrder.objects.count() + PaperExecution.objects.count()
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name


@pytest.fixture
def uninterrupted(due, tmp_path) -> dict[str, object]:
    """The books after one life of the worker."""
    report = tmp_path / "uninterrupted.json"
    copy_database(due, f"{due}_crash")
    assert life(f"{due}_crash", worker, report) == 0
    return json.loads(report.read_text())


def test_a_worker_killed_between_any_two_steps_changes_nothing(due, uninterrupted, tmp_path):
    copy, report = f"{due}_crash", tmp_path / "books.json"
    assert uninterrupted["findings"] == []
    assert uninterrupted["calls"] == [[1, "settled"]]
    assert len(uninterrupted["fills"]) == 3

    copy_database(due, copy)
    deaths, allowed, steps = 0, 1, steps_in(copy)
    while (ended := life(copy, worker, report, commits=allowed)) == KILLED:
        deaths += 1
        steps, steps_before = steps_in(copy), steps
        # A life that only took locks and changed nothing is followed by one that lives a commit longer.
        allowed = 1 if steps > steps_before else allowed + 1
        assert deaths < COMMITS_MAX
    assert ended == 0
    assert json.loads(report.read_text()) == uninterrupted
    assert deaths > 20


def test_every_job_run_twice_changes_nothing(due, uninterrupted, tmp_path):
    copy, report = f"{due}_crash", tmp_path / "books.json"
    copy_database(due, copy)
    assert life(copy, lambda: worker(times=2), report) == 0
    assert json.loads(report.read_text()) == uninterrupted
