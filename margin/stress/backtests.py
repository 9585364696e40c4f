"""Backtests of haircuts as they are kept: computed elsewhere over real prices, written once, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.errors import Invalid
from ledger.core.events import record_event
from margin.models import HaircutBacktest, HaircutOutcomeRow
from margin.rows import check_row


@dataclass(frozen=True, slots=True)
class HaircutOutcome:
    """What one haircut came to: counts, and Hong Kong dollars to the cent.

    `thinnest_cover` is the least market value was of a loan at a close at which it was called, to six decimals.
    """

    haircut: Decimal
    lent: Decimal
    calls: int
    sales: int
    sold: Decimal
    losers: int
    loss: Decimal
    thinnest_cover: Decimal | None


@transaction.atomic
def keep_backtest(
    *,
    started_on: date,
    ended_on: date,
    account_count: int,
    seed: int,
    outcomes: Sequence[HaircutOutcome],
    actor: str,
) -> HaircutBacktest:
    """Keep a backtest; the same one kept again is the one that is there.

    Raises Invalid (`no_haircuts`) without an outcome, and what the columns' own rules refuse.
    """
    if not outcomes:
        raise Invalid(_("A backtest has at least one haircut."), field="outcomes", code="no_haircuts")
    terms = {
        "started_on": started_on,
        "ended_on": ended_on,
        "account_count": account_count,
        "seed": seed,
    }
    known = HaircutBacktest.objects.filter(**terms).order_by("-pk").prefetch_related("rows").first()
    if known is not None and _outcomes(known) == set(outcomes):
        return known
    backtest = HaircutBacktest(**terms, ran_at=clock.now(), actor=actor)
    check_row(backtest)
    backtest.save(force_insert=True)
    for outcome in outcomes:
        row = HaircutOutcomeRow(backtest=backtest, **asdict(outcome))
        check_row(row, prefix="outcomes.")
        row.save(force_insert=True)
    record_event("margin.haircut_backtest.kept", backtest, actor=actor, haircuts=len(outcomes))
    return backtest


def _outcomes(backtest: HaircutBacktest) -> set[HaircutOutcome]:
    return {
        HaircutOutcome(
            haircut=row.haircut,
            lent=row.lent,
            calls=row.calls,
            sales=row.sales,
            sold=row.sold,
            losers=row.losers,
            loss=row.loss,
            thinnest_cover=row.thinnest_cover,
        )
        for row in backtest.rows.all()
    }
