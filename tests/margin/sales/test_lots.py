"""A sale in whole lots, reckoned exactly: what cures, what is too much, and what is passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.valuation import Holding
from margin.sales.fees import FeeSchedule
from margin.sales.lots import SaleBook, least_true

from .offers import D, coins, lots

HSBC = Holding("00005", D(8000), D("98.40"), D("0.30"))
TENCENT = Holding("00700", D(1200), D("512.50"), D("0.30"))
BITCOIN = Holding("BTC", D("1.5"), D("80000"), D("0.60"), D("7.8"))


def ms_chan(**changes):
    holdings = [HSBC, TENCENT, BITCOIN]
    question = {
        "loan": D("1503287.67"),
        "credit_limit": None,
        "holdings": holdings,
        "target": D(1),
        "candidates": [lots(HSBC, 400), lots(TENCENT, 100), coins(BITCOIN)],
    }
    return SaleBook(**(question | changes))


def test_a_choice_is_reckoned_in_cents():
    book = ms_chan()

    assert book.leg(0, 5) == (196_800_00, 714_00, 196_086_00)
    assert book.totals([0, 0, 39487306]) == (1_257_379_68, 1_257_379_68)
    assert book.charges([5, 0, 39487306]) == 714_00 + 492_80


def test_cured_means_cured_with_and_without_rounding():
    book = ms_chan(target=D("0.9"))

    by_luck = [0, 0, 71070872]
    assert max(book.shortages(by_luck)) <= 0
    assert not book.is_cured(by_luck)
    assert book.is_cured([0, 0, 71070873])


def test_the_least_curing_number_of_satoshi():
    assert ms_chan().least_curing([0, 0, 0], 2, 0, 150000000) == 39487306


def test_trimming_gives_back_what_is_too_much_the_last_first():
    book = ms_chan()

    assert book.trim([20, 12, 150000000], [2, 1, 0]) == [0, 0, 39487306]
    assert book.trim([20, 0, 150000000], [0, 2, 1]) == [13, 0, 0]


def test_what_is_kept_is_not_trimmed():
    trimmed = ms_chan().trim([0, 12, 39487306], [2, 1, 0], frozenset({1}))

    assert trimmed[1] == 12
    assert trimmed[2] == 0


def test_the_cheapest_single_candidate_closes_the_rest():
    book = ms_chan()

    assert book.close([1, 0, 0], [0, 1, 2]) == [1, 0, book.least_curing([1, 0, 0], 2, 0, 150000000)]
    assert book.close([0, 0, 0], [1]) == [0, 10, 0]


def test_no_single_candidate_may_be_enough():
    assert ms_chan(loan=D("1900000.00")).close([0, 0, 0], [0, 1]) is None


def test_filling_stops_at_the_cure_and_passes_over_what_makes_it_worse():
    bond = Holding("04239", D(10000), D(10), D(0))
    dear = lots(bond, 1000, FeeSchedule(venue_fee_rate=D("0.01")))
    book = ms_chan(
        loan=D("1603287.67"),
        holdings=[bond, HSBC, TENCENT, BITCOIN],
        candidates=[dear, lots(HSBC, 400), coins(BITCOIN)],
    )

    counts, is_cured = book.fill([0, 1, 2])

    assert is_cured
    assert counts == [0, 13, 0]


def test_a_choice_that_cures_nothing_says_so():
    counts, is_cured = ms_chan(loan=D("3000000.00")).fill([0, 1, 2])

    assert (counts, is_cured) == ([20, 12, 150000000], False)


@given(st.integers(-50, 2000), st.integers(1, 1000))
def test_the_search_finds_the_step_wherever_the_guess_points(guess, threshold):
    assert least_true(lambda n: n >= threshold, 0, 1000, guess) == threshold


@pytest.mark.parametrize("lucky", [3, 40, 77])
def test_on_a_staircase_the_search_ends_where_one_less_fails(lucky):
    def test(steps):
        return steps >= 80 or steps == lucky

    found = least_true(test, 0, 100, guess=50)

    assert test(found)
    assert not test(found - 1)
