"""Limit prices of a forced sale, on the exchange's ticks of the day."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from margin.sales.ticks import PHASE_1_FROM, SpreadTable, round_down_to_tick, sehk_spread_tables, tick_size

D = Decimal
PHASE_2_FROM = date(2026, 7, 6)
TABLES = sehk_spread_tables(PHASE_2_FROM)
BEFORE, PHASE_1, PHASE_2 = date(2024, 6, 3), PHASE_1_FROM, PHASE_2_FROM


@pytest.mark.parametrize(
    ("raw", "before", "phase_1", "phase_2"),
    [
        ("15.013", "15.000", "15.010", "15.010"),
        ("20.00", "20.000", "20.000", "20.000"),
        ("20.01", "20.000", "20.000", "20.000"),
        ("49.99", "49.950", "49.980", "49.980"),
        ("50.03", "50.000", "50.000", "50.000"),
        ("9.377", "9.370", "9.370", "9.375"),
        ("512.70", "512.500", "512.500", "512.500"),
    ],
)
def test_v28_limit_prices_round_down_to_the_tick_of_the_day(raw, before, phase_1, phase_2):
    assert round_down_to_tick(D(raw), BEFORE, TABLES) == D(before)
    assert round_down_to_tick(D(raw), PHASE_1, TABLES) == D(phase_1)
    assert round_down_to_tick(D(raw), PHASE_2, TABLES) == D(phase_2)


@pytest.mark.parametrize(
    ("price", "tick"),
    [
        ("0.25", "0.001"),
        ("0.251", "0.005"),
        ("0.50", "0.005"),
        ("10", "0.01"),
        ("100", "0.05"),
        ("9995", "5"),
    ],
)
def test_the_highest_price_of_a_band_belongs_to_it(price, tick):
    assert tick_size(D(price), BEFORE, TABLES) == D(tick)


def test_a_table_holds_until_the_day_before_the_next():
    assert tick_size(D("15"), PHASE_1_FROM - timedelta(days=1), TABLES) == D("0.02")
    assert tick_size(D("15"), PHASE_1_FROM, TABLES) == D("0.01")
    assert tick_size(D("5"), PHASE_2_FROM - timedelta(days=1), TABLES) == D("0.01")
    assert tick_size(D("5"), PHASE_2_FROM, TABLES) == D("0.005")


def test_without_its_date_phase_2_never_comes():
    assert tick_size(D("5"), date(2030, 1, 2), sehk_spread_tables()) == D("0.01")


def test_phase_2_cannot_come_before_phase_1():
    with pytest.raises(ValueError, match="not after phase 1"):
        sehk_spread_tables(PHASE_1_FROM)


@pytest.mark.parametrize("price", [D("9995.01"), D(0), D("-1")])
def test_a_price_outside_the_table_is_refused(price):
    with pytest.raises(ValueError, match="outside the spread table"):
        tick_size(price, BEFORE, TABLES)


def test_a_price_below_the_smallest_tick_is_refused():
    with pytest.raises(ValueError, match="below the smallest tick"):
        round_down_to_tick(D("0.0005"), BEFORE, TABLES)


def test_a_day_before_every_table_is_refused():
    with pytest.raises(ValueError, match="no spread table is in force on 2024-06-03"):
        tick_size(D(1), BEFORE, [SpreadTable(PHASE_1_FROM, ((D(10), D("0.01")),))])


@given(st.decimals(D("0.01"), D("9995"), places=3), st.sampled_from([BEFORE, PHASE_1, PHASE_2]))
def test_a_rounded_price_is_below_by_less_than_a_tick_and_rounds_to_itself(price, on):
    rounded = round_down_to_tick(price, on, TABLES)

    assert 0 <= price - rounded < tick_size(price, on, TABLES)
    assert round_down_to_tick(rounded, on, TABLES) == rounded
