"""Readers of the outbox: how far behind each is, and what it stumbled over."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger.consumers import LAG_COUNTED_MAX, Lag, lag
from ledger.core.admin import ReadOnlyAdmin, coloured
from ledger.models import Consumer

from .scope import confinement


@admin.register(Consumer)
class ConsumerAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "events_behind", "seconds_behind", "consumed_count", "updated_at")
    fields = (
        ("name", "state"),
        ("events_behind", "seconds_behind"),
        ("held_count", "held_since"),
        ("consumed_count", "updated_at"),
        ("attempts", "retry_at"),
        "last_error",
    )
    readonly_fields = ("state", "events_behind", "seconds_behind", "held_count", "held_since")
    ordering = ("name",)
    nothing_yet = _(
        "A reader appears here when it first asks for events: register it in code, and the relay brings"
        " them every few seconds."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Consumer]:
        """They read the events of every firm, so they are for those who see every firm."""
        rows = super().get_queryset(request)
        return rows.none() if confinement(request.user) else rows

    @display(description=_("state"))
    def state(self, reader: Consumer) -> SafeString:
        behind = self._lag(reader)
        if reader.attempts:
            return coloured(_("Failing"), "danger")
        if behind.held_count:
            return coloured(_("Waiting for an open transaction"), "warning")
        return coloured(_("Behind"), "info") if behind.events else coloured(_("Up to date"), "success")

    @display(description=_("events behind"))
    def events_behind(self, reader: Consumer) -> str:
        events = self._lag(reader).events
        return f"{events:,}+" if events == LAG_COUNTED_MAX else f"{events:,}"

    @display(description=_("seconds behind"))
    def seconds_behind(self, reader: Consumer) -> str:
        return f"{self._lag(reader).seconds:,}"

    @display(description=_("waiting for an open transaction"))
    def held_count(self, reader: Consumer) -> str:
        return f"{self._lag(reader).held_count:,}"

    @display(description=_("open since"))
    def held_since(self, reader: Consumer) -> Any:
        return self._lag(reader).held_since

    def _lag(self, reader: Consumer) -> Lag:
        """Read once for all columns of a row."""
        known: Lag | None = getattr(reader, "lag_shown", None)
        if known is None:
            known = lag(reader)
            reader.lag_shown = known  # type: ignore[attr-defined]
        return known
