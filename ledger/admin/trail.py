"""What happened, by whose hand and why; what systems asked for and were told; the calendars."""

from __future__ import annotations

import json
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger.core.admin import ReadOnlyAdmin
from ledger.core.models import CalendarDay, Command, Event

from .scope import confinement
from .show import link_to


def shown_json(value: Any) -> SafeString:
    """Show a JSON value as people read it."""
    return format_html(
        '<pre class="text-sm whitespace-pre-wrap">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False)
    )


def _named(label: str) -> Any:
    """What a model is called; its label where it is no longer there."""
    try:
        return capfirst(apps.get_model(label)._meta.verbose_name)
    except (LookupError, ValueError):
        return label


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("occurred_at", "topic", "subject", "actor", "reason", "broker_code")
    search_fields = ("subject_id__exact", "topic__exact", "actor__exact")
    search_help_text = _("The id of what it happened to, a topic such as margin.call.issued, or an actor.")
    nothing_yet = _("Whatever is decided or booked leaves an event here, with who did it and why.")
    ordering = ("-pk",)
    fields = (
        ("occurred_at", "topic", "subject"),
        ("actor", "broker_code", "transaction_number"),
        "reason",
        "details",
    )
    readonly_fields = ("subject", "details", "transaction_number")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        events = super().get_queryset(request)
        confined = confinement(request.user)
        return events.filter(broker_code=confined.broker_code) if confined else events

    @display(description=_("subject"))
    def subject(self, event: Event) -> SafeString:
        if not event.subject_type:
            return format_html("{}", _("The house"))
        return link_to(
            event.subject_type, event.subject_id, f"{_named(event.subject_type)} {event.subject_id}"
        )

    @display(description=_("details"))
    def details(self, event: Event) -> SafeString:
        return shown_json(event.payload)

    @display(description=_("transaction"))
    def transaction_number(self, event: Event) -> str:
        return str(event.transaction)


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "route", "scope", "key", "response_status")
    list_filter = ("response_status",)
    search_fields = ("key__exact", "scope__exact")
    search_help_text = _("An idempotency key, or the caller's scope.")
    nothing_yet = _(
        "Every change that a system asks for over the API is kept here with its reply. Issue an API key"
        " on the broker's page to begin."
    )
    ordering = ("-pk",)
    fields = (("received_at", "route"), ("scope", "key"), "request_body", "response_status", "reply")
    readonly_fields = ("request_body", "reply")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A command carries its caller's key, not its firm's, so only the house's own people see them."""
        return bool(super().has_view_permission(request, obj)) and confinement(request.user) is None

    @display(description=_("body"))
    def request_body(self, command: Command) -> SafeString:
        return shown_json(command.body)

    @display(description=_("reply"))
    def reply(self, command: Command) -> SafeString:
        return shown_json(command.response_body)


@admin.register(CalendarDay)
class CalendarDayAdmin(ReadOnlyAdmin):
    list_display = ("date", "calendar", "is_open", "opens_at", "closes_at", "note")
    list_filter = ("calendar", "is_open")
    date_hierarchy = "date"
    ordering = ("calendar", "-date")
