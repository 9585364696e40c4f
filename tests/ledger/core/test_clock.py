from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from ledger.core import clock
from ledger.core.ids import uuid7

MORNING = datetime(2022, 5, 12, 1, 30, tzinfo=UTC)


def test_the_present_is_aware_and_moves() -> None:
    assert clock.now().utcoffset() == timedelta(0)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_replay_lives_its_own_day_and_comes_back() -> None:
    with clock.override(MORNING):
        assert clock.now() == MORNING
        with clock.override(MORNING + timedelta(hours=1)):
            assert clock.now() == MORNING + timedelta(hours=1)
        assert clock.now() == MORNING

    assert clock.now() > MORNING


def test_the_clock_is_set_back_after_an_error() -> None:
    with pytest.raises(KeyError), clock.override(MORNING):
        raise KeyError

    assert clock.now() > MORNING


def test_the_date_is_that_of_hong_kong() -> None:
    with clock.override(datetime(2022, 5, 12, 15, 59, tzinfo=UTC)):
        assert clock.today() == date(2022, 5, 12)
    with clock.override(datetime(2022, 5, 12, 16, 0, tzinfo=UTC)):
        assert clock.today() == date(2022, 5, 13)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"), clock.override(datetime(2022, 5, 12)):  # noqa: DTZ001
        pass


def test_another_thread_keeps_its_own_clock() -> None:
    seen: list[datetime] = []
    with clock.override(MORNING):
        thread = threading.Thread(target=lambda: seen.append(clock.now()))
        thread.start()
        thread.join()

    assert seen[0] > MORNING


def test_ids_are_ordered_by_the_millisecond_they_were_made_in() -> None:
    ids = [uuid7() for _n in range(2000)]
    stamps = [value.int >> 80 for value in ids]

    assert stamps == sorted(stamps)
    assert len(set(ids)) == 2000
    assert {(value.version, value.variant) for value in ids} == {(7, "specified in RFC 4122")}
