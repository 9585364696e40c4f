"""Kill switches over one venue, one asset or one account: put on by one person, lifted by two."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from ledger.core.admin import HouseAdmin, ReasonForm, carry_out, dialog
from margin.models import Facility, SaleStop
from margin.sales.switch import ask_to_lift, lift_stop, put_stop

from .movements import actor
from .scope import BrokerScope, broker_of


@admin.register(SaleStop)
class SaleStopAdmin(BrokerScope, HouseAdmin):
    nothing_yet = _(
        "No venue, asset or account was ever stopped. Put a stop on, and nothing is planned, ordered or sent there."
    )
    list_display = ("what", "broker", "put_on_by", "put_on_at", "lift_asked_by", "lifted_by", "lifted_at")
    list_filter = (("lifted_at", admin.EmptyFieldListFilter), "venue")
    list_select_related = ("broker", "asset", "facility__client", "lift_asked_by", "lifted_by")
    search_fields = ("asset__code", "facility__client__number")
    ordering = ("-pk",)
    add_fieldsets = ((None, {"fields": ("broker", "venue", "asset", "facility", "reason")}),)
    fieldsets = (
        *add_fieldsets,
        (
            _("Put on and lifted"),
            {
                "fields": (
                    ("put_on_by", "put_on_at"),
                    ("lift_asked_by", "lift_asked_at", "lift_reason"),
                    ("lifted_by", "lifted_at"),
                )
            },
        ),
    )
    actions_detail = ("ask_lift", "lift")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_lift_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "margin.change_salestop", object_id)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        stop = SaleStop.objects.filter(pk=object_id, lifted_at__isnull=True).first()
        if stop is None:
            return []
        offered = "ask_lift" if stop.lift_asked_at is None else "lift"
        buttons = super().get_actions_detail(request, object_id)
        return [button for button in buttons if button.method.original_function_name == offered]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        broker = broker_of(request.user)
        if db_field.related_model is Facility and broker is not None:
            kwargs["queryset"] = Facility.objects.filter(client__broker=broker).select_related("client")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: SaleStop, form: Any, change: bool) -> None:
        made = put_stop(
            broker=obj.broker,
            venue=obj.venue,
            asset=obj.asset,
            facility=obj.facility,
            reason=obj.reason,
            actor=actor(request),
        )
        obj.pk = made.pk

    @display(description=_("what is stopped"))
    def what(self, stop: SaleStop) -> str:
        return stop.subject

    @action(
        description=_("Ask to lift"),
        url_path="ask-to-lift",
        icon="pan_tool_alt",
        permissions=["lift"],
        variant=ActionVariant.WARNING,
        dialog=dialog(_("Ask to lift"), _("It holds until a second person lifts it."), ReasonForm),
    )
    def ask_lift(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        stop = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: ask_to_lift(stop=stop, person=request.user, reason=form.cleaned_data["reason"]),  # type: ignore[arg-type]
            done=_("A second person may lift it now."),
            then=self.change_url(object_id),
        )

    @action(
        description=_("Lift"),
        url_path="lift",
        icon="play_arrow",
        permissions=["lift"],
        variant=ActionVariant.SUCCESS,
        dialog=dialog(_("Lift"), _("Forced sales go on where they stood.")),
    )
    def lift(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        stop = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: lift_stop(stop=stop, person=request.user),  # type: ignore[arg-type]
            done=_("Lifted."),
            then=self.change_url(object_id),
        )
