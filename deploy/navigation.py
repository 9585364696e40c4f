"""The sidebar: what a person may see, grouped as the work is."""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

GROUPS: Final[tuple[tuple[Any, tuple[tuple[str, str], ...]], ...]] = (
    (
        _("Lending"),
        (
            ("margin.Client", "group"),
            ("margin.Facility", "account_balance_wallet"),
            ("margin.MarginCall", "notifications_active"),
            ("margin.CallDecision", "gavel"),
            ("margin.ForcedSale", "sell"),
            ("margin.SettlementInstruction", "handshake"),
            ("margin.ContractNote", "description"),
            ("margin.Valuation", "monitoring"),
            ("margin.StressRun", "crisis_alert"),
            ("margin.HaircutBacktest", "history_toggle_off"),
            ("margin.LoanMovement", "swap_horiz"),
        ),
    ),
    (
        _("Collateral"),
        (
            ("collateral.Instrument", "candlestick_chart"),
            ("collateral.Price", "attach_money"),
            ("collateral.PriceFeed", "rss_feed"),
            ("collateral.SourceQuote", "compare_arrows"),
            ("collateral.LendingHaircut", "content_cut"),
            ("collateral.CapitalHaircut", "account_balance"),
            ("collateral.FxRate", "currency_exchange"),
            ("collateral.PricePolicy", "timer"),
            ("collateral.Eligibility", "verified"),
        ),
    ),
    (
        _("Books"),
        (
            ("ledger.Journal", "menu_book"),
            ("ledger.Entry", "list_alt"),
            ("ledger.Account", "account_tree"),
            ("ledger.AccountLimit", "vertical_align_center"),
            ("ledger.PeriodChange", "event_busy"),
            ("ledger.Hold", "front_hand"),
            ("ledger.CorporateAction", "call_split"),
            ("ledger.Asset", "category"),
            ("ledger.Location", "warehouse"),
            ("ledger.Block", "lock"),
            ("core.Event", "history"),
        ),
    ),
    (
        _("Records"),
        (
            ("margin.ValuationRun", "update"),
            ("margin.StressResult", "trending_down"),
            ("margin.StressBreakEven", "balance"),
            ("margin.InterestAccrual", "percent"),
            ("margin.InterestPosting", "event_available"),
            ("margin.Notice", "mail"),
            ("margin.PurchaseCheck", "shopping_cart"),
            ("margin.SaleOrder", "receipt_long"),
            ("margin.Fill", "task_alt"),
            ("core.Command", "key_visualizer"),
            ("ledger.Consumer", "conveyor_belt"),
        ),
    ),
    (
        _("Settings"),
        (
            ("margin.Broker", "domain"),
            ("margin.MarginPolicy", "rule"),
            ("margin.CollateralCap", "vertical_align_top"),
            ("margin.ScenarioSet", "tune"),
            ("margin.ClientGroup", "groups"),
            ("margin.NoticeTemplate", "edit_note"),
            ("margin.WebhookEndpoint", "webhook"),
            ("margin.Launch", "rocket_launch"),
            ("margin.Outage", "power_off"),
            ("margin.SaleStop", "front_hand"),
            ("margin.RatePlan", "request_quote"),
            ("margin.ApiKey", "key"),
            ("margin.Staff", "badge"),
            ("core.CalendarDay", "calendar_month"),
            ("core.SevereWeatherDay", "thunderstorm"),
            ("auth.User", "person"),
            ("auth.Group", "groups"),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups with the lists that the person may view; a group with none is left out."""
    today = {"title": _("Today"), "icon": "today", "link": reverse("admin:index")}
    docs = {"title": _("API documentation"), "icon": "api", "link": reverse("docs")}
    groups: list[dict[str, Any]] = [{"title": None, "items": [today]}]
    for number, (title, models) in enumerate(GROUPS):
        items = [item for label, icon in models if (item := _item(request, label, icon))]
        if items:
            groups.append({"title": title, "items": items, "collapsible": number > 2})
    groups[-1]["items"] = [*groups[-1]["items"], docs]
    return groups


def _item(request: HttpRequest, label: str, icon: str) -> dict[str, Any] | None:
    model = apps.get_model(label)
    page = admin.site._registry.get(model)
    if page is None or not page.has_view_permission(request):
        return None
    meta = model._meta
    return {
        "title": capfirst(meta.verbose_name_plural),
        "icon": icon,
        "link": reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"),
    }
