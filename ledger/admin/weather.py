"""The page on which a gale or black-rainstorm day is declared."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext_lazy as _

from ledger.core import severe_weather
from ledger.core.admin import FourEyesAdmin
from ledger.core.models import SevereWeatherDay


@admin.register(SevereWeatherDay)
class SevereWeatherDayAdmin(FourEyesAdmin):
    topic = severe_weather.TOPIC
    list_display = ("on", "warning", "approval_state", "maker", "checker")
    list_filter = ("approval", "warning")
    list_select_related = ("maker", "checker")
    date_hierarchy = "on"
    ordering = ("-on", "-pk")
    fieldsets = (
        (
            None,
            {
                "fields": (("on", "warning"), "reason"),
                "description": _(
                    "Once a second person approves it, the day is no business day, and every call that is"
                    " still running and was to fall due by that calendar falls due later."
                ),
            },
        ),
    )

    def check_proposal(self, proposal: SevereWeatherDay) -> None:
        severe_weather.check_declaration(proposal)

    def propose(self, proposal: SevereWeatherDay, *, maker: AbstractBaseUser) -> None:
        declared = severe_weather.declare(
            on=proposal.on, warning=proposal.warning, reason=proposal.reason, maker=maker
        )
        proposal.pk = declared.pk

    def get_fieldsets(self, request: Any, obj: Any = None) -> Any:
        """A declaration that was made also shows its decision."""
        given = tuple(super().get_fieldsets(request, obj))
        decision = {"fields": ("approval_state", ("maker", "made_at"), ("checker", "checked_at"))}
        return (*given, (_("Decision"), decision)) if obj else given
