"""The scenario sets of a firm: proposed by one person, decided by another, in force from a day, kept by version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from collateral.effective import approve_effective, refuse_retroactive
from ledger.core import approvals, clock
from ledger.core.errors import Conflict, Invalid
from ledger.models import Asset
from margin.models import Broker, ScenarioSet, StressScenario
from margin.rows import check_row

from .scenarios import ONE, Scenario

TOPIC: Final = "margin.scenario_set"
SCENARIOS_MAX: Final = 50
# What a new proposal opens with; house values, for the percentages of the rules are not published (3.10).
SUGGESTED: Final[tuple[dict[str, Any], ...]] = (
    {
        "code": "market-fall",
        "kind": StressScenario.Kind.MARKET_FALL,
        "name": gettext_lazy("Stocks fall 20%, coins 40%"),
        "securities": Decimal("-0.20"),
        "virtual_assets": Decimal("-0.40"),
    },
    {
        "code": "market-crash",
        "kind": StressScenario.Kind.MARKET_FALL,
        "name": gettext_lazy("Stocks fall 40%, coins 60%"),
        "securities": Decimal("-0.40"),
        "virtual_assets": Decimal("-0.60"),
    },
    {
        "code": "coins-gap-30",
        "kind": StressScenario.Kind.VIRTUAL_ASSET_GAP,
        "name": gettext_lazy("Coins open lower by 30%"),
        "virtual_assets": Decimal("-0.30"),
    },
    {
        "code": "coins-gap-50",
        "kind": StressScenario.Kind.VIRTUAL_ASSET_GAP,
        "name": gettext_lazy("Coins open lower by 50%"),
        "virtual_assets": Decimal("-0.50"),
    },
    {
        "code": "worst-name",
        "kind": StressScenario.Kind.SINGLE_NAME,
        "name": gettext_lazy("The costliest single name is worth nothing"),
        "named_change": Decimal(-1),
    },
    {
        "code": "peg",
        "kind": StressScenario.Kind.CURRENCY,
        "name": gettext_lazy("The Hong Kong dollar rises off its peg by a tenth"),
        "currency": "USD",
        "currency_change": Decimal("-0.10"),
    },
)
_SECURITIES: Final = (Asset.Kind.SECURITY.value, Asset.Kind.TOKENISED_SECURITY.value)


@transaction.atomic
def propose_set(
    *,
    broker: Broker,
    valid_from: date,
    maker: AbstractBaseUser,
    scenarios: Iterable[Mapping[str, Any]] = (),
    reason: str = "",
) -> ScenarioSet:
    """Propose the next version of a firm's scenarios; it has no effect until somebody else approves it.

    `scenarios` are the columns of :class:`StressScenario`, numbered in their order; changes are fractions (-0.20 is a
    fall of 20%). Raises Invalid with the field at fault: `unknown_asset`, `RETROACTIVE` for a day before today once a
    set is in force, `too_many`, and what the columns' own rules refuse.
    """
    locked = Broker.objects.select_for_update(no_key=True).get(pk=broker.pk)
    last = ScenarioSet.objects.filter(broker=locked).aggregate(last=Max("version"))["last"]
    proposal = ScenarioSet(broker=locked, version=(last or 0) + 1, valid_from=valid_from, reason=reason)
    check_day(proposal)
    proposed = approvals.propose(proposal, maker=maker, topic=f"{TOPIC}.proposed")
    for number, terms in enumerate(scenarios, start=1):
        if number > SCENARIOS_MAX:
            raise Invalid(
                _("A set has at most %(most)s scenarios.") % {"most": SCENARIOS_MAX},
                field="scenarios",
                code="too_many",
            )
        add_scenario(StressScenario(parent=proposed, number=number, **terms))
    return proposed


def add_scenario(row: StressScenario) -> StressScenario:
    """Write a scenario of a set that is still proposed; refusals as :func:`propose_set`."""
    row.named = " ".join(row.named.split())
    check_assets(row, prefix="scenarios.")
    check_row(row, prefix="scenarios.")
    row.save(force_insert=True)
    return row


def check_assets(row: StressScenario, *, prefix: str = "") -> None:
    """Raise Invalid (`unknown_asset`) unless the named assets are there, and the currency is one."""
    codes = row.named.split()
    known = set(
        Asset.objects.filter(code__in=codes).exclude(kind=Asset.Kind.FIAT).values_list("code", flat=True)
    )
    unknown = [("named", code) for code in codes if code not in known]
    if row.currency and not Asset.objects.filter(code=row.currency, kind=Asset.Kind.FIAT).exists():
        unknown.append(("currency", row.currency))
    for field, code in unknown[:1]:
        raise Invalid(
            _("There is no asset %(asset)s.") % {"asset": code},
            field=f"{prefix}{field}",
            code="unknown_asset",
        )


def check_day(proposal: ScenarioSet) -> None:
    """Raise Invalid (`RETROACTIVE`) for a set that would reach into the past."""
    approved = ScenarioSet.objects.filter(
        broker_id=proposal.broker_id, approval=ScenarioSet.Approval.APPROVED, valid_from__lte=clock.today()
    )
    refuse_retroactive(proposal.valid_from, is_effective=approved.exclude(pk=proposal.pk).exists())


def check_set(proposal: ScenarioSet) -> None:
    """Raise what approving this set today would be refused for: Conflict (`no_scenarios`), Invalid (`RETROACTIVE`)."""
    check_day(proposal)
    if not proposal.scenarios.exists():
        raise Conflict(_("This set has no scenario yet."), code="no_scenarios")


def approve_set(proposal: ScenarioSet, *, checker: AbstractBaseUser) -> ScenarioSet:
    """Put a set in force from its day on, as its second person; refusals as those of a haircut."""
    check_set(proposal)
    return approve_effective(proposal, checker=checker, topic=f"{TOPIC}.approved", check=check_set)


def reject_set(proposal: ScenarioSet, *, checker: AbstractBaseUser, reason: str) -> ScenarioSet:
    """Turn a set down, with a reason that is kept."""
    return approvals.reject(proposal, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)


def set_on(broker: Broker, on: date) -> ScenarioSet | None:
    """Return the approved set in force on a day."""
    return (
        ScenarioSet.objects.filter(broker=broker, approval=ScenarioSet.Approval.APPROVED, valid_from__lte=on)
        .order_by("-valid_from", "-pk")
        .first()
    )


def set_of(broker: Broker, set_id: int) -> ScenarioSet:
    """Return a set of a firm by its id; raises Invalid (`unknown_set`) unless it was approved."""
    found = ScenarioSet.objects.filter(
        broker=broker, pk=set_id, approval=ScenarioSet.Approval.APPROVED
    ).first()
    if found is None:
        raise Invalid(
            _("There is no approved set %(id)s.") % {"id": set_id}, field="scenario_set", code="unknown_set"
        )
    return found


def kernel_scenario(row: StressScenario, *, named: Iterable[str] | None = None) -> Scenario:
    """Return a scenario as the arithmetic takes it; `named` stands in for codes that are found when it is run."""
    classes: dict[str, Decimal] = {}
    if row.securities is not None:
        classes |= dict.fromkeys(_SECURITIES, ONE + row.securities)
    if row.virtual_assets is not None:
        classes[Asset.Kind.VIRTUAL_ASSET.value] = ONE + row.virtual_assets
    codes = row.named.split() if named is None else list(named)
    assets = {} if row.named_change is None else dict.fromkeys(codes, ONE + row.named_change)
    currencies = {} if row.currency_change is None else {row.currency: ONE + row.currency_change}
    return Scenario(row.code, assets=assets, classes=classes, currencies=currencies)
