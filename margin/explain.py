"""Why a stored figure is what it is, and proof that it still comes out the same.

An explanation is made from the rows that the valuation names: prices, rates and haircuts are append-only and
decided haircuts never change, so the same rows give the same cents whatever the market has done since.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from collateral.capital import CapitalView, capital_view, deductions_on
from collateral.caps import Ceiling, limit_of, part_of, under_ceilings
from collateral.models import TermSheetLine
from collateral.terms import NO_MARGIN, PLAIN, kept_terms, under_terms
from collateral.tiers import kernel_tiers
from collateral.valuation import AccountValue, Holding, classify, value_account, value_quantity
from collateral.valuation import explain as explain_value
from ledger.core.clock import HONG_KONG

from .caps import kernel_cap
from .models import Valuation, ValuationCap, ValuationLine
from .valuations import debts_of

ONE = Decimal(1)


def recompute(valuation: Valuation) -> AccountValue:
    """Value the account again from the rows the valuation names."""
    holdings = _holdings(valuation)
    return value_account(
        under_ceilings(holdings, _ceilings(valuation, holdings)),
        debts_of(valuation.principal, valuation.interest),
        cash=valuation.cash,
        credit_limit=valuation.credit_limit,
    )


def explain(valuation: Valuation) -> dict[str, Any]:
    """Name each price, rate, haircut and rounding that made a valuation, as JSON-safe text.

    `stored` are the figures as kept, `calculation` the kernel's own account of them, `inputs` the rows with
    their source and time.
    """
    value = recompute(valuation)
    policy = valuation.policy
    terms = terms_of(valuation)
    return {
        "valuation": valuation.pk,
        "valued_at": valuation.valued_at.isoformat(),
        "level": valuation.level,
        "policy": {
            "id": policy.pk,
            "valid_from": policy.valid_from.isoformat(),
            "warn_utilisation": str(policy.warn_utilisation),
            "call_utilisation": str(policy.call_utilisation),
            "immediate_utilisation": str(policy.immediate_utilisation),
        },
        "stored": _stored(valuation),
        "inputs": [_inputs(line, terms.get(line.asset_id)) for line in _lines(valuation)],
        "caps": [_cap(bound) for bound in _caps(valuation)],
        "calculation": explain_value(value),
    }


def replay(valuation: Valuation) -> dict[str, Any]:
    """Compute a valuation again and say whether every stored figure was met to the cent.

    `differences` names the figures that were not; it is empty unless something was tampered with.
    """
    value = recompute(valuation)
    policy = valuation.policy
    again = {
        "loan": value.loan,
        "market_value": value.market_value,
        "margin_value": value.margin_value,
        "deficiency": value.deficiency,
        "utilisation": value.utilisation,
        "level": str(
            classify(
                value,
                warn=policy.warn_utilisation,
                call=policy.call_utilisation,
                immediate=policy.immediate_utilisation,
            )
        ),
    }
    differences = sorted(name for name, figure in again.items() if getattr(valuation, name) != figure)
    for line, fresh in zip(_lines(valuation), value.lines, strict=True):
        if (line.market_value, line.margin_value) != (fresh.market_value, fresh.margin_value):
            differences.append(f"line:{line.asset.code}")
    differences += [
        f"cap:{bound.cap_id}"
        for bound, fresh in zip(_caps(valuation), _ceilings(valuation), strict=True)
        if bound.ceiling != fresh.amount
    ]
    return {
        "valuation": valuation.pk,
        "is_equal": not differences,
        "differences": differences,
        "stored": _stored(valuation),
        "replayed": {name: None if figure is None else str(figure) for name, figure in again.items()},
    }


def capital_of(valuation: Valuation) -> CapitalView:
    """Return what a valuation's loan counts for in liquid capital, by the schedule in force on its day (V15)."""
    lines = _lines(valuation)
    rows = deductions_on(valuation.valued_at.astimezone(HONG_KONG).date())
    return capital_view(
        {line.asset.code: line.market_value for line in lines},
        {row.asset.code: row.deduction for row in rows.values()},
        loan=valuation.loan,
    )


def _lines(valuation: Valuation) -> list[ValuationLine]:
    lines = valuation.lines.select_related("asset", "price", "fx_rate", "haircut")
    return list(lines.prefetch_related("haircut__tiers").order_by("pk"))


def _caps(valuation: Valuation) -> list[ValuationCap]:
    return list(valuation.caps.select_related("cap__asset", "asset").order_by("pk"))


def _ceilings(valuation: Valuation, holdings: Iterable[Holding] | None = None) -> list[Ceiling]:
    """Work out again what each cap left of an asset, from its row and the sums of its scope."""
    if holdings is None:
        holdings = _holdings(valuation)
    worth = {holding.code: value_quantity(holding, holding.quantity)[1] for holding in holdings}
    found = []
    for bound in _caps(valuation):
        limit = limit_of(kernel_cap(bound.cap), bound.base)
        amount = part_of(limit, worth[bound.asset.code], bound.scope_value)
        found.append(Ceiling(bound.cap_id, bound.asset.code, bound.base, bound.scope_value, limit, amount))
    return found


def _cap(bound: ValuationCap) -> dict[str, Any]:
    cap = bound.cap
    return {
        "id": cap.pk,
        "asset": bound.asset.code,
        "scope": cap.scope,
        "measure": cap.measure,
        "share": None if cap.share is None else str(cap.share),
        "amount": None if cap.amount is None else str(cap.amount),
        "valid_from": cap.valid_from.isoformat(),
        "base": str(bound.base),
        "scope_value": str(bound.scope_value),
        "ceiling": str(bound.ceiling),
    }


def terms_of(valuation: Valuation) -> dict[int, TermSheetLine]:
    """Return the lines of the term sheet that a valuation names, by asset id."""
    if valuation.term_sheet_id is None:
        return {}
    lines = TermSheetLine.objects.filter(sheet=valuation.term_sheet_id).select_related("eligibility")
    return {line.asset_id: line for line in lines}


def _holdings(valuation: Valuation) -> list[Holding]:
    terms = {asset: kept_terms(line) for asset, line in terms_of(valuation).items()}
    return [
        under_terms(_holding(line), terms.get(line.asset_id, PLAIN)) if _is_priced(line) else _holding(line)
        for line in _lines(valuation)
    ]


def _is_priced(line: ValuationLine) -> bool:
    """Money and what has no price are not a matter of terms."""
    return line.price_id is not None


def _holding(line: ValuationLine) -> Holding:
    if line.price is None:
        is_money = line.fx_rate is not None
        price, haircut = (ONE, Decimal(0)) if is_money else (Decimal(0), NO_MARGIN)
    else:
        price, haircut = line.price.price, NO_MARGIN
    if line.haircut is not None:
        haircut = line.haircut.haircut
    return Holding(
        line.asset.code,
        line.quantity,
        price,
        haircut,
        line.fx_rate.bid if line.fx_rate else ONE,
        price_ref=line.price_id,
        fx_ref=line.fx_rate_id,
        haircut_ref=line.haircut_id,
        tiers=kernel_tiers(line.haircut) if line.haircut else (),
    )


def _stored(valuation: Valuation) -> dict[str, str | None]:
    names = (
        "principal",
        "interest",
        "cash",
        "loan",
        "market_value",
        "margin_value",
        "credit_limit",
        "deficiency",
        "utilisation",
        "level",
    )
    figures = {name: getattr(valuation, name) for name in names}
    return {name: None if figure is None else str(figure) for name, figure in figures.items()}


def _inputs(line: ValuationLine, terms: TermSheetLine | None) -> dict[str, Any]:
    return {
        "asset": line.asset.code,
        "price": line.price
        and {
            "id": line.price_id,
            "price": str(line.price.price),
            "currency": line.price.currency,
            "source": line.price.source,
            "observed_at": line.price.observed_at.isoformat(),
        },
        "fx_rate": line.fx_rate
        and {
            "id": line.fx_rate_id,
            "base": line.fx_rate.base,
            "quote": line.fx_rate.quote,
            "bid": str(line.fx_rate.bid),
            "source": line.fx_rate.source,
            "observed_at": line.fx_rate.observed_at.isoformat(),
        },
        "haircut": line.haircut
        and {
            "id": line.haircut_id,
            "haircut": str(line.haircut.haircut),
            "valid_from": line.haircut.valid_from.isoformat(),
            "tiers": [
                {"id": tier.pk, "above": str(tier.above), "haircut": str(tier.haircut)}
                for tier in line.haircut.tiers.all()
            ],
        },
        "terms": terms
        and {
            "sheet": terms.sheet_id,
            "is_eligible": terms.is_eligible,
            "eligibility": terms.eligibility
            and {
                "id": terms.eligibility_id,
                "is_accepted": terms.eligibility.is_accepted,
                "valid_from": terms.eligibility.valid_from.isoformat(),
            },
        },
    }
