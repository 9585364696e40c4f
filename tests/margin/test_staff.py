"""Who works for whom."""

from __future__ import annotations

import pytest

from ledger.core.models import Event
from margin.admin.scope import broker_of
from margin.staff import assign_staff
from tests.builders import harbour, user

pytestmark = pytest.mark.django_db


def test_a_user_is_confined_to_the_firm_they_were_assigned_to():
    world = harbour()
    ho = user("ho")
    assert broker_of(ho) is None

    assign_staff(user=ho, broker=world.broker, actor="admin")

    ho = type(ho).objects.get(pk=ho.pk)
    assert broker_of(ho) == world.broker
    assert Event.objects.get(topic="margin.staff.assigned").payload == {"user": "ho"}


def test_a_superuser_sees_every_firm():
    world = harbour()
    root = user("root", is_superuser=True)
    assign_staff(user=root, broker=world.broker, actor="admin")

    assert broker_of(root) is None
