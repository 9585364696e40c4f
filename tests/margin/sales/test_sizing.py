"""The closed forms of a sale, against our examples and against other systems' own numbers."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, localcontext

import pytest

from ledger.core.decimals import CONTEXT
from margin.sales.sizing import CannotCure, cure_per_dollar, sale_to_limit, sale_to_target, shortage

D = Decimal


@pytest.fixture(autouse=True)
def exact_context():
    with localcontext(CONTEXT):
        yield


def cents(amount):
    return amount.quantize(D("0.01"))


class TestOurExamples:
    def test_v02_bitcoin_to_one_hundred_percent(self):
        short = shortage(D("1503287.67"), D("1355940.00"), D(1))

        gross = sale_to_target(short, D("0.002"), D("0.60"), D(1))

        assert short == D("147347.67")
        assert cents(gross) == D("246400.79")
        assert (gross / 624000).quantize(D("1e-8"), ROUND_CEILING) == D("0.39487306")

    def test_v14_bitcoin_to_ninety_percent(self):
        short = shortage(D("1503287.67"), D("1355940.00"), D("0.9"))

        gross = sale_to_target(short, D("0.002"), D("0.60"), D("0.9"))

        quantity = (gross / 624000).quantize(D("1e-8"), ROUND_CEILING)
        assert quantity == D("0.71070873")
        assert cents(quantity * 624000) == D("443482.25")

    def test_v08_against_the_credit_limit(self):
        gross = sale_to_limit(D("303287.67"), D("0.002"))

        assert gross.quantize(D("0.01"), ROUND_CEILING) == D("303895.47")

    def test_v09_while_a_cap_binds_the_excess_is_sold_without_losing_margin(self):
        gross = sale_to_limit(D("50000.00"), D("0.002"))

        assert gross.quantize(D("0.01"), ROUND_CEILING) == D("50100.21")
        uncapped = sale_to_target(D("50000.00"), D("0.002"), D("0.60"), D(1))
        assert uncapped.quantize(D("0.01"), ROUND_CEILING) == D("83612.05")

    @pytest.mark.parametrize(
        ("haircut", "cost", "cure", "alone"),
        [
            ("0.30", "0.00248", "0.33252", "1717190"),
            ("0.30", "0.00272", "0.33228", "1718430"),
            ("0.60", "0.00252", "0.61748", "924726"),
        ],
    )
    def test_worked_account_of_margin_peers(self, haircut, cost, cure, alone):
        assert cure_per_dollar(D(cost), D(haircut), D("0.95")) == D(cure)
        assert sale_to_target(D(571000), D(cost), D(haircut), D("0.95")).quantize(D(1)) == D(alone)

    def test_nothing_short_sells_nothing(self):
        assert sale_to_target(D(0), D("0.002"), D("0.60"), D(1)) == 0

    @pytest.mark.parametrize(("haircut", "cost"), [("0", "0.001"), ("0.002", "0.002"), ("0.001", "0.002")])
    def test_a_haircut_not_above_the_cost_can_never_cure(self, haircut, cost):
        with pytest.raises(CannotCure):
            sale_to_target(D(1), D(cost), D(haircut), D(1))


class TestAave:
    """aave-v4 LiquidationLogic: target = 1/health factor, 1-h = collateral factor, 1-c = 1/bonus."""

    @staticmethod
    def sale(total_debt, hf, target_hf, bonus, collateral_factor):
        target, cost, haircut = 1 / D(target_hf), 1 - 1 / D(bonus), 1 - D(collateral_factor)
        return sale_to_target(shortage(D(total_debt), D(total_debt) * D(hf), target), cost, haircut, target)

    @pytest.mark.parametrize(
        ("target_hf", "debt_price", "units"),
        [("1.25", 1, "9000"), ("1.0", 2000, "4"), ("1.0", 333, "24.024024024024024024024024025")],
    )
    def test_debt_to_target(self, target_hf, debt_price, units):
        gross = self.sale(10000, "0.8", target_hf, "1.5", "0.5")

        repaid = (gross / D("1.5") / debt_price).quantize(D("1e-50"))

        assert repaid.quantize(D("1e-27"), ROUND_CEILING) == D(units)

    def test_already_at_target(self):
        assert self.sale(10000, "1.0", "1.0", "1.5", "0.5") == 0

    @pytest.mark.parametrize(
        ("collateral", "seized", "repaid_units"), [("11000", "6000", "2.5"), ("3000", "3000", "1.25")]
    )
    def test_amounts_with_enough_and_too_little_collateral(self, collateral, seized, repaid_units):
        gross = min(D(collateral), self.sale(10000, "0.8", "1.0", "1.2", "0.5").quantize(D("1e-30")))

        assert gross == D(seized)
        assert (gross / D("1.2") / 2000).quantize(D("1e-30")) == D(repaid_units)


class TestDrift:
    """drift protocol-v2 liquidation tests."""

    @pytest.mark.parametrize(
        ("quote_price", "liquidation_fee", "insurance_fee", "base"),
        [
            ("1", "0", "0", "1.0"),
            ("0.99", "0", "0", "1.01010101"),
            ("1.01", "0", "0", "0.990099009"),
            ("1", "0.01", "0", "1.111111111"),
            ("1", "0.01", "0.01", "1.25"),
        ],
    )
    def test_base_to_cover_a_shortage(self, quote_price, liquidation_fee, insurance_fee, base):
        cost = D(liquidation_fee) + D(insurance_fee) / D(quote_price)

        gross = sale_to_target(D(10), cost, D("0.1"), D(1))

        assert abs(gross / 100 / D(quote_price) - D(base)) < D("1e-8")

    @staticmethod
    def units(asset_weight, asset_fee, debt_weight, debt_fee, insurance_fee):
        exchange = D(debt_fee) / D(asset_fee)
        cost = 1 - exchange * (1 - D(insurance_fee))
        haircut = 1 - D(asset_weight) / D(debt_weight)
        return sale_to_target(10 / D(debt_weight), cost, haircut, D(1)) * exchange / 100

    @pytest.mark.parametrize(
        ("asset_fee", "debt_fee", "insurance_fee", "units", "tolerance"),
        [
            ("1.0", "1.0", "0", "0.25", "1e-9"),
            ("1.1", "0.9", "0", "0.44998425", "0.0002"),
            ("1.0", "1.0", "0.01", "0.257731958", "1e-8"),
            ("1.1", "0.9", "0.01", "0.475669504", "0.0004"),
        ],
    )
    def test_transfer_to_cover_a_shortage(self, asset_fee, debt_fee, insurance_fee, units, tolerance):
        sold = self.units("0.8", asset_fee, "1.2", debt_fee, insurance_fee)

        assert abs(sold / D(units) - 1) < D(tolerance)

    def test_a_transfer_that_never_improves_is_refused(self):
        with pytest.raises(CannotCure):
            self.units("1.0", "1.0", "1.0", "0.75", "0")


class TestMaintenanceRestore:
    """pmorissette/bt, pull request 557: loan = invested - equity, haircut = requirement, no fees."""

    @pytest.mark.parametrize(
        ("equity", "invested", "requirement", "after", "wrong"),
        [
            (1000, 1500, "0.8", "1250.00", "1312.50"),
            (1000, 3000, "0.5", "2000.00", "1500.00"),
            (700, 1200, "0.6", "1166.67", "1171.43"),
        ],
    )
    def test_what_stays_invested(self, equity, invested, requirement, after, wrong):
        short = shortage(D(invested - equity), (1 - D(requirement)) * invested, D(1))

        left = cents(invested - sale_to_target(short, D(0), D(requirement), D(1)))

        assert left == D(after)
        assert left != D(wrong)
