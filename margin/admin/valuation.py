"""Valuations: each figure leads to the rows it was made of, and can be made again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from collateral.models import TermSheetLine
from ledger.core.admin import ReadOnlyAdmin
from ledger.models import Account, Role
from margin.explain import capital_of, explain, replay, terms_of
from margin.exposure import BANDS, latest_valuations, within_band
from margin.models import InterestAccrual, MarginCall, MarginPolicy, Valuation, ValuationLine, ValuationRun

from .panel import Column, Panel, PanelAdmin, Table, Tile
from .scope import BrokerScope, broker_of
from .show import anchor, level_badge, link, list_of, moment, money, page_of, percent, quantity


class LatestFilter(admin.SimpleListFilter):
    title = _("which")
    parameter_name = "which"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("latest", _("The latest of each facility"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Valuation]) -> QuerySet[Valuation]:
        if self.value() != "latest":
            return queryset
        return queryset.filter(pk__in=latest_valuations(broker_of(request.user)).values("pk"))


class BandFilter(admin.SimpleListFilter):
    title = _("utilisation")
    parameter_name = "band"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(rule.key, rule.label) for rule in BANDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Valuation]) -> QuerySet[Valuation]:
        key = self.value()
        return queryset.filter(within_band(key)) if key in {rule.key for rule in BANDS} else queryset


@admin.register(ValuationRun)
class ValuationRunAdmin(BrokerScope, ReadOnlyAdmin):
    list_display = ("valued_at", "broker", "status", "account_count", "rows")
    list_filter = ("status",)
    list_select_related = ("broker",)
    ordering = ("-valued_at",)
    fields = (("broker", "valued_at"), ("status", "account_count"), "rows")
    readonly_fields = ("rows",)

    @display(description=_("valuations"))
    def rows(self, run: ValuationRun) -> SafeString:
        return anchor(list_of(Valuation, run__id__exact=run.pk), _("Show valuations"))


@admin.register(Valuation)
class ValuationAdmin(PanelAdmin, ReadOnlyAdmin):
    broker_path = "facility__client__broker"
    list_display = (
        "valued_at",
        "client",
        "level_shown",
        "utilised",
        "loan_shown",
        "margin_shown",
        "market_shown",
        "deficiency_shown",
    )
    list_filter = (LatestFilter, BandFilter, "level", "has_hard_stale_price", "has_soft_stale_price")
    list_select_related = ("facility__client",)
    search_fields = ("facility__client__number", "facility__client__name")
    ordering = ("-pk",)
    actions_detail = ("replay_valuation",)
    fieldsets = (
        (
            _("Record"),
            {
                "fields": (
                    ("facility", "run"),
                    ("valued_at", "policy_link"),
                    ("has_soft_stale_price", "has_hard_stale_price"),
                )
            },
        ),
    )
    readonly_fields = ("policy_link",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return (
            super()
            .get_queryset(request)
            .select_related("facility__client__broker__book", "run__broker", "policy__broker")
        )

    @display(description=_("client"), ordering="facility__client__number")
    def client(self, valuation: Valuation) -> str:
        return str(valuation.facility.client)

    @display(description=_("level"), ordering="level")
    def level_shown(self, valuation: Valuation) -> SafeString:
        return level_badge(valuation.level)

    @display(description=_("utilisation"), ordering="utilisation")
    def utilised(self, valuation: Valuation) -> str:
        return percent(valuation.utilisation)

    @display(description=_("loan"), ordering="loan")
    def loan_shown(self, valuation: Valuation) -> str:
        return money(valuation.loan)

    @display(description=_("margin value"), ordering="margin_value")
    def margin_shown(self, valuation: Valuation) -> str:
        return money(valuation.margin_value)

    @display(description=_("market value"), ordering="market_value")
    def market_shown(self, valuation: Valuation) -> str:
        return money(valuation.market_value)

    @display(description=_("margin deficiency"), ordering="deficiency")
    def deficiency_shown(self, valuation: Valuation) -> str:
        return money(valuation.deficiency)

    @display(description=_("margin policy"))
    def policy_link(self, valuation: Valuation) -> SafeString:
        return link(valuation.policy)

    @action(description=_("Replay"), url_path="replay", icon="replay", permissions=["view"])
    def replay_valuation(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Compute the valuation again from the rows it names; nothing is written."""
        valuation = get_object_or_404(self.get_queryset(request), pk=object_id)
        result = replay(valuation)
        if result["is_equal"]:
            messages.success(request, _("Replayed: every figure comes out the same to the cent."))
        else:
            messages.error(
                request,
                _("Replayed: these figures come out otherwise: %(names)s.")
                % {"names": ", ".join(result["differences"])},
            )
        return HttpResponseRedirect(self.change_url(object_id))

    def panel(self, request: HttpRequest, row: Valuation) -> Panel:
        accounts = _accounts(row)
        call = row.calls.select_related("facility__client").first()
        return Panel(
            tiles=_tiles(row, accounts),
            tables=(_lines(row, accounts), *_caps(row), *_calls(call), _calculation(row), _capital(row)),
        )


def _accounts(valuation: Valuation) -> dict[tuple[str, str], Account]:
    """The client's accounts by role and asset; the first where an asset lies at several places."""
    client = valuation.facility.client
    found = Account.objects.filter(book=client.broker.book, owner=client.number).select_related("asset")
    accounts: dict[tuple[str, str], Account] = {}
    for account in found.order_by("pk"):
        accounts.setdefault((account.role, account.asset.code), account)
    return accounts


def _tiles(valuation: Valuation, accounts: dict[tuple[str, str], Account]) -> tuple[Tile, ...]:
    policy: MarginPolicy = valuation.policy
    tone = {"warning": "warning", "call": "danger", "immediate": "danger"}.get(valuation.level, "")
    return (
        Tile(_("Level"), level_badge(valuation.level), page_of(policy), _("By the margin policy")),
        Tile(
            _("Utilisation"),
            percent(valuation.utilisation, 4),
            page_of(policy),
            _("Call above %(level)s") % {"level": percent(policy.call_utilisation)},
            tone,
        ),
        Tile(_("Loan"), money(valuation.loan), hint=_("Principal and interest less cash")),
        Tile(_("Margin value"), money(valuation.margin_value), hint=_("The sum of the lines below")),
        *_debt_tiles(valuation, accounts),
        Tile(_("Market value"), money(valuation.market_value), hint=_("The sum of the lines below")),
        Tile(
            _("Credit limit"),
            money(valuation.credit_limit),
            page_of(valuation.facility),
            _("Of the facility"),
        ),
        Tile(
            _("Margin deficiency"),
            money(valuation.deficiency),
            tone="danger" if valuation.deficiency else "",
            hint=_("Loan above the lesser of margin value and credit limit"),
        ),
    )


def _debt_tiles(valuation: Valuation, accounts: dict[tuple[str, str], Account]) -> tuple[Tile, ...]:
    """What the loan is made of, each part leading to the account that holds it."""
    journals = _("Follow it to its journals")

    def account(role: Role) -> str:
        found = accounts.get((role.value, valuation.facility.currency))
        return page_of(found) if found else ""

    return (
        Tile(_("Principal"), money(valuation.principal), account(Role.LOAN_PRINCIPAL), journals),
        Tile(
            _("Interest"),
            money(valuation.interest),
            list_of(InterestAccrual, facility__id__exact=valuation.facility_id),
            _("Follow it to its days"),
        ),
        Tile(_("Cash and proceeds"), money(valuation.cash), account(Role.CLIENT_CASH), journals),
    )


def _lines(valuation: Valuation, accounts: dict[tuple[str, str], Account]) -> Table:
    lines = valuation.lines.select_related("asset__instrument", "price", "fx_rate", "haircut").order_by("pk")
    terms = terms_of(valuation)
    return Table(
        _("Lines"),
        (
            Column(_("Asset")),
            Column(_("Quantity"), is_number=True),
            Column(_("Price"), is_number=True),
            Column(_("Observed at")),
            Column(_("Exchange rate"), is_number=True),
            Column(_("Market value"), is_number=True),
            Column(_("Haircut"), is_number=True),
            Column(_("Margin value"), is_number=True),
        ),
        [_line(line, accounts, terms) for line in lines],
        empty=_("Nothing was pledged."),
        note=_("Each quantity leads to the account that holds it, each price, rate and haircut to its row."),
    )


def _line(
    line: ValuationLine, accounts: dict[tuple[str, str], Account], terms: dict[int, TermSheetLine]
) -> list[object]:
    code = line.asset.code
    held = accounts.get((Role.CLIENT_COLLATERAL.value, code)) or accounts.get((Role.CLIENT_CASH.value, code))
    return [
        link(getattr(line.asset, "instrument", None), code) if hasattr(line.asset, "instrument") else code,
        link(held, quantity(line.quantity)) if held else quantity(line.quantity),
        link(line.price, f"{line.price.currency} {quantity(line.price.price)}") if line.price else "–",
        moment(line.price.observed_at) if line.price else "–",
        link(line.fx_rate, quantity(line.fx_rate.bid)) if line.fx_rate else "–",
        money(line.market_value),
        _haircut(line, terms.get(line.asset_id)),
        money(line.margin_value),
    ]


def _haircut(line: ValuationLine, terms: TermSheetLine | None) -> object:
    """The haircut, or the decision for which the asset did not count."""
    if terms is not None and not terms.is_eligible:
        return link(terms.eligibility, _("excluded")) if terms.eligibility else _("not eligible")
    return link(line.haircut, percent(line.haircut.haircut)) if line.haircut else _("not marginable")


def _caps(valuation: Valuation) -> list[Table]:
    """The caps that bound, each leading to its row."""
    bound = list(valuation.caps.select_related("cap", "asset").order_by("pk"))
    if not bound:
        return []
    columns = (
        Column(_("Asset")),
        Column(_("Cap")),
        Column(_("Held within the scope"), is_number=True),
        Column(_("Share or amount of"), is_number=True),
        Column(_("Counted at most"), is_number=True),
    )
    rows: list[list[object]] = [
        [
            each.asset.code,
            link(each.cap, f"{each.cap.get_scope_display()}: {each.cap.get_measure_display()}"),
            money(each.scope_value),
            money(each.base),
            money(each.ceiling),
        ]
        for each in bound
    ]
    return [Table(_("Caps that bound"), columns, rows)]


def _capital(valuation: Valuation) -> Table:
    """The other schedule: what each line counts for, and what the loan costs the firm in capital."""
    view = capital_of(valuation)
    rows: list[list[object]] = [[code, money(value)] for code, value in view.counted.items()]
    rows += [
        [_("Receivable that counts"), money(view.includable)],
        [_("Cost to liquid capital"), money(view.cost)],
    ]
    return Table(
        _("What it counts for in liquid capital"),
        (Column(_("Asset")), Column(_("Counted in liquid capital"), is_number=True)),
        rows,
        note=_("Capital haircut and margin haircut are separate schedules."),
    )


def _calls(call: MarginCall | None) -> list[Table]:
    if call is None:
        return []
    columns = (Column(_("Margin call")), Column(_("Amount called"), is_number=True), Column(_("Due at")))
    return [Table(_("The call it led to"), columns, [[link(call), money(call.amount), moment(call.due_at)]])]


def _calculation(valuation: Valuation) -> Table:
    """The kernel's own account of each product before and after it was rounded."""
    steps = explain(valuation)["calculation"]
    rows: list[list[object]] = []
    for held in steps["holdings"]:
        product = " × ".join(_number(held[name]) for name in ("quantity", "price", "fx_rate"))
        rows.append(
            [
                f"{held['code']}: {product} = {_number(held['market_value_unrounded'])}",
                money(Decimal(held["market_value"])),
                f"{_by_slices(held)} = {_number(held['margin_value_unrounded'])}",
                money(Decimal(held["margin_value"])),
            ]
        )
    return Table(
        _("How it was computed"),
        (
            Column(_("Quantity × price × exchange rate")),
            Column(_("Market value, half up to the cent"), is_number=True),
            Column(_("× margin ratio")),
            Column(_("Margin value, down to the cent"), is_number=True),
        ),
        rows,
        empty=_("Nothing was pledged."),
    )


def _by_slices(held: dict[str, Any]) -> str:
    """One ratio on all of it, or each slice with the ratio of its tier."""
    if len(held["slices"]) == 1:
        return f"× {held['margin_ratio']}"
    return " + ".join(
        f"{money(Decimal(part['market_value']))} × {1 - Decimal(part['haircut'])}" for part in held["slices"]
    )


def _number(text: str) -> str:
    return quantity(Decimal(text))
