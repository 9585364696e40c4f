"""Notices over the API: read, and reported on by the firm's provider."""

from __future__ import annotations

from margin.models import Client, Notice
from margin.notices.relay import send_due

from .conftest import House, problem
from .stories import with_a_call


def test_a_provider_reports_what_became_of_a_notice(house: House):
    Client.objects.update(email="chan@example.com")
    call = with_a_call(house)
    [told] = house.system.get("notices", call=call.pk).json()["results"]
    assert (told["kind"], told["status"], "token" in told) == ("issued", "pending", False)
    address = f"notices/{told['id']}"
    problem(house.system.post(f"{address}:report", {"is_delivered": True}), 409, "wrong_state")
    send_due(broker=house.world.broker)
    bounced = house.system.post(f"{address}:report", {"is_delivered": False, "detail": "mailbox full"}).json()
    assert (bounced["status"], bounced["error"]) == ("failed", "mailbox full")
    assert house.system.get("notices", status="failed").json()["results"] == [bounced]
    assert Notice.objects.get().token not in str(house.system.get(address).json())
