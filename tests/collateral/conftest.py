"""The staff, the calendars and the shares that the stories of this room share."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from collateral.models import Instrument
from ledger.core.calendars import load_calendars

from .market import approve_policies, share


@pytest.fixture
def wong(db: None) -> User:
    """Mr Wong of risk, who proposes."""
    return User.objects.create_user("wong", is_staff=True)


@pytest.fixture
def lee(db: None) -> User:
    """Ms Lee of risk, who decides."""
    return User.objects.create_user("lee", is_staff=True)


@pytest.fixture
def hsbc(db: None) -> Instrument:
    return share("00005", "HSBC HOLDINGS", 400)


@pytest.fixture
def tencent(db: None) -> Instrument:
    return share("00700", "TENCENT", 100)


@pytest.fixture
def bitcoin(db: None) -> Instrument:
    return Instrument.objects.select_related("asset").get(code="BTC")


@pytest.fixture
def policies(wong: User, lee: User) -> None:
    """Shares by session, virtual assets 60 s and 300 s, moves up to one half."""
    load_calendars()
    approve_policies(maker=wong, checker=lee)
