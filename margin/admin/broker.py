"""The firms, their people and the keys of their systems."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from ledger.core.admin import HouseAdmin, ReasonForm, carry_out, dialog
from margin.brokers import issue_api_key, open_broker, permit_journals, revoke_api_key
from margin.models import ApiKey, Broker, Staff
from margin.sales.instructions import set_settlements_reported
from margin.sales.switch import set_forced_sales_stopped
from margin.staff import assign_staff

from .movements import actor
from .scope import BrokerScope


@admin.register(Broker)
class BrokerAdmin(BrokerScope, HouseAdmin):
    broker_path = ""
    list_display = (
        "name",
        "code",
        "entity_type",
        "is_virtual_asset_broker",
        "went_live_at",
        "are_forced_sales_stopped",
    )
    list_display_links = ("name", "code")
    search_fields = ("code", "name")
    ordering = ("name",)
    add_fieldsets = (
        (None, {"fields": (("code", "name", "entity_type"),)}),
        (
            _("Virtual assets"),
            {"fields": (("is_virtual_asset_broker", "va_financing_from"), "virtual_asset_location")},
        ),
        (
            _("Custody and charges"),
            {
                "fields": (
                    "clearing_location",
                    ("commission_rate", "commission_minimum", "virtual_asset_fee_rate"),
                )
            },
        ),
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("code", "name", "entity_type"),
                    ("book", "went_live_at", "are_forced_sales_stopped"),
                    "are_settlements_reported",
                )
            },
        ),
        *add_fieldsets[1:],
    )
    actions_detail = ("stop_sales", "resume_sales", "take_reports", "settle_on_paper")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_switch_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "margin.change_broker", object_id)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        broker = Broker.objects.get(pk=object_id)
        offered = (
            "resume_sales" if broker.are_forced_sales_stopped else "stop_sales",
            "settle_on_paper" if broker.are_settlements_reported else "take_reports",
        )
        buttons = super().get_actions_detail(request, object_id)
        return [button for button in buttons if button.method.original_function_name in offered]

    def save_model(self, request: HttpRequest, obj: Broker, form: Any, change: bool) -> None:
        opened = open_broker(
            code=obj.code,
            name=obj.name,
            entity_type=obj.entity_type,
            is_virtual_asset_broker=obj.is_virtual_asset_broker,
            va_financing_from=obj.va_financing_from,
            clearing_location=obj.clearing_location,
            virtual_asset_location=obj.virtual_asset_location,
            commission_rate=obj.commission_rate,
            commission_minimum=obj.commission_minimum,
            virtual_asset_fee_rate=obj.virtual_asset_fee_rate,
            actor=actor(request),
        )
        obj.pk, obj.book = opened.pk, opened.book

    @action(
        description=_("Stop forced sales"),
        url_path="stop-sales",
        icon="front_hand",
        permissions=["switch"],
        variant=ActionVariant.DANGER,
        dialog=dialog(
            _("Stop forced sales"), _("Nothing more is planned, ordered or sent for this firm."), ReasonForm
        ),
    )
    def stop_sales(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._switch(request, form, object_id, is_stopped=True)

    @action(
        description=_("Resume forced sales"),
        url_path="resume-sales",
        icon="play_arrow",
        permissions=["switch"],
        variant=ActionVariant.SUCCESS,
        dialog=dialog(_("Resume forced sales"), form=ReasonForm),
    )
    def resume_sales(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._switch(request, form, object_id, is_stopped=False)

    @action(
        description=_("Settle by report"),
        url_path="take-reports",
        icon="handshake",
        permissions=["switch"],
        dialog=dialog(
            _("Settle by report"),
            _("Nothing settles any more unless the clearing house reports it."),
            ReasonForm,
        ),
    )
    def take_reports(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._settle_by(request, form, object_id, is_reported=True)

    @action(
        description=_("Settle on paper"),
        url_path="settle-on-paper",
        icon="description",
        permissions=["switch"],
        dialog=dialog(_("Settle on paper"), _("Trades settle in full when they are due."), ReasonForm),
    )
    def settle_on_paper(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._settle_by(request, form, object_id, is_reported=False)

    def _settle_by(
        self, request: HttpRequest, form: ReasonForm, object_id: str, *, is_reported: bool
    ) -> HttpResponse:
        broker = get_object_or_404(self.get_queryset(request), pk=object_id)
        reason = form.cleaned_data["reason"]
        return carry_out(
            request,
            lambda: set_settlements_reported(
                broker=broker, is_reported=is_reported, actor=actor(request), reason=reason
            ),
            done=_("Settlements come from reports.") if is_reported else _("Settlements are on paper."),
            then=self.change_url(object_id),
        )

    def _switch(
        self, request: HttpRequest, form: ReasonForm, object_id: str, *, is_stopped: bool
    ) -> HttpResponse:
        broker = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: set_forced_sales_stopped(
                broker=broker,
                is_stopped=is_stopped,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
            ),
            done=_("Forced sales are stopped.") if is_stopped else _("Forced sales go on."),
            then=self.change_url(object_id),
        )


@admin.register(Staff)
class StaffAdmin(BrokerScope, HouseAdmin):
    list_display = ("user", "broker")
    list_select_related = ("user", "broker")
    search_fields = ("user__username",)
    fields = (("user", "broker"),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("user",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Staff, form: Any, change: bool) -> None:
        obj.pk = assign_staff(user=obj.user, broker=obj.broker, actor=actor(request)).pk


@admin.register(ApiKey)
class ApiKeyAdmin(BrokerScope, HouseAdmin):
    list_display = ("label", "broker", "prefix", "may_post_journals", "created_at", "revoked_at")
    list_filter = (
        "may_post_journals",
        ("revoked_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("broker",)
    search_fields = ("label", "prefix")
    ordering = ("-created_at",)
    add_fieldsets = ((None, {"fields": (("broker", "label"), "may_post_journals")}),)
    fields = (("broker", "label", "prefix"), ("created_at", "revoked_at"), "may_post_journals")
    actions_detail = ("permit", "forbid", "revoke")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nobody gives a system a right that they do not have."""
        if obj is None and not request.user.has_perm("ledger.add_journal"):
            return ((None, {"fields": (("broker", "label"),)}),)
        return super().get_fieldsets(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "margin.change_apikey", object_id)

    def has_permit_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        may_post = request.user.has_perm("ledger.add_journal")
        return may_post and self.has_revoke_permission(request, object_id)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        key = ApiKey.objects.filter(pk=object_id, revoked_at__isnull=True).first()
        if key is None:
            return []
        other = "permit" if key.may_post_journals else "forbid"
        buttons = super().get_actions_detail(request, object_id)
        return [button for button in buttons if button.method.original_function_name != other]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        key, obj.secret = issue_api_key(
            broker=obj.broker,
            label=obj.label,
            actor=actor(request),
            may_post_journals=obj.may_post_journals,
        )
        obj.pk, obj.prefix, obj.created_at = key.pk, key.prefix, key.created_at

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret on this one page, which no cache keeps; it is stored nowhere."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("API key issued"),
            "opts": self.opts,
            "key": obj,
            "page": self.change_url(obj.pk),
        }
        response = TemplateResponse(request, "margin/api_key_issued.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @action(
        description=_("Permit journals"),
        url_path="permit",
        icon="edit_note",
        permissions=["permit"],
        variant=ActionVariant.WARNING,
        dialog=dialog(
            _("Permit journals"),
            _("The system may then book journals of its own choice, which pass by the rules of lending."),
        ),
    )
    def permit(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._permit(request, object_id, is_permitted=True)

    @action(
        description=_("Forbid journals"),
        url_path="forbid",
        icon="edit_off",
        permissions=["revoke"],
        variant=ActionVariant.WARNING,
        dialog=dialog(_("Forbid journals"), _("The system books no journals of its own choice from now on.")),
    )
    def forbid(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._permit(request, object_id, is_permitted=False)

    def _permit(self, request: HttpRequest, object_id: str, *, is_permitted: bool) -> HttpResponse:
        key = get_object_or_404(self.get_queryset(request).select_related("broker"), pk=object_id)
        return carry_out(
            request,
            lambda: permit_journals(key=key, is_permitted=is_permitted, actor=actor(request)),
            done=_("The key was changed."),
            then=self.change_url(object_id),
        )

    @action(
        description=_("Revoke"),
        url_path="revoke",
        icon="block",
        permissions=["revoke"],
        variant=ActionVariant.DANGER,
        dialog=dialog(_("Revoke"), _("The system that uses this key is locked out at once.")),
    )
    def revoke(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        key = get_object_or_404(self.get_queryset(request).select_related("broker"), pk=object_id)
        return carry_out(
            request,
            lambda: revoke_api_key(key=key, actor=actor(request)),
            done=_("Revoked."),
            then=self.change_url(object_id),
        )
