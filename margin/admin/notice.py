"""Notices to clients: what was said, through what, and whether it arrived; their wording and webhook."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger.core.admin import HouseAdmin, ReadOnlyAdmin
from margin.models import MarginCall, Notice, NoticeTemplate, WebhookEndpoint
from margin.notices import settings as wordings

from .movements import actor
from .panel import Column, Panel, PanelAdmin, Table, Tile
from .policy import DecisionShown
from .scope import BrokerScope
from .show import badge, link, list_of, moment, page_of
from .timeline import timeline

NOTICE_COLOURS = {
    Notice.Status.PENDING.value: "warning",
    Notice.Status.SENT.value: "info",
    Notice.Status.DELIVERED.value: "success",
    Notice.Status.FAILED.value: "danger",
    Notice.Status.ACKNOWLEDGED.value: "success",
}


def notice_badge(notice: Notice) -> SafeString:
    return badge(notice.get_status_display(), NOTICE_COLOURS[notice.status])


@admin.register(Notice)
class NoticeAdmin(PanelAdmin, ReadOnlyAdmin):
    broker_path = "call__facility__client__broker"
    nothing_yet = _(
        "A notice is written with a call, for each way in which its client can be reached: "
        "give clients an e-mail or a mobile number, or the firm a webhook."
    )
    list_display = ("created_at", "kind", "client", "channel", "state", "sent_at", "delivered_at", "attempts")
    list_filter = ("status", "kind", "channel", ("escalated_at", admin.EmptyFieldListFilter))
    list_select_related = ("call__facility__client",)
    search_fields = ("call__facility__client__number", "call__facility__client__name")
    ordering = ("-pk",)
    fields = (
        ("kind", "channel", "language"),
        ("recipient", "template_version"),
        "subject",
        "body_shown",
        ("created_at", "sent_at", "delivered_at"),
        ("acknowledged_at", "failed_at", "escalated_at"),
        ("attempts", "next_attempt_at", "error"),
    )
    readonly_fields = ("body_shown",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("call__facility__client")

    @display(description=_("client"), ordering="call__facility__client__number")
    def client(self, notice: Notice) -> str:
        return str(notice.call.facility.client)

    @display(description=_("status"), ordering="status")
    def state(self, notice: Notice) -> SafeString:
        return notice_badge(notice)

    @display(description=_("body"))
    def body_shown(self, notice: Notice) -> str:
        """Whoever holds the token speaks for the client, so the staff does not see it."""
        return notice.body.replace(notice.token, "…")

    def panel(self, request: HttpRequest, row: Notice) -> Panel:
        call = row.call
        return Panel(
            tiles=(
                Tile(_("Status"), notice_badge(row), hint=row.error),
                Tile(_("Margin call"), call.reference, page_of(call)),
            ),
            timeline=timeline(row),
        )


@admin.register(NoticeTemplate)
class NoticeTemplateAdmin(DecisionShown):
    topic = wordings.TOPIC
    list_display = ("broker", "kind", "language", "version", "subject", "approval_state", "maker", "checker")
    list_filter = ("kind", "language", "approval")
    ordering = ("kind", "language", "-version")
    fieldsets = (
        (
            None,
            {
                "fields": (("broker", "kind", "language"), "subject", "body", "reason"),
                "description": _(
                    "Figures that may stand in it: {client}, {broker}, {reference}, {amount}, {missing}, {due},"
                    " {link}; and of a forced sale {note}, {asset}, {quantity}, {traded_on}, {settles_on}, {gross},"
                    " {charges}, {net}. Until a wording is approved, the one that comes with the product is used."
                ),
            },
        ),
    )

    def check_proposal(self, proposal: NoticeTemplate) -> None:
        wordings.check_template(proposal)

    def propose(self, proposal: NoticeTemplate, *, maker: Any) -> None:
        proposal.pk = wordings.propose_template(
            broker=proposal.broker,
            kind=proposal.kind,
            language=proposal.language,
            subject=proposal.subject,
            body=proposal.body,
            reason=proposal.reason,
            maker=maker,
        ).pk


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(BrokerScope, HouseAdmin):
    list_display = ("broker", "url", "is_active")
    list_select_related = ("broker",)
    fields = ("broker", ("url", "is_active"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("broker",) if obj else ()

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        before = WebhookEndpoint.objects.filter(broker=obj.broker).values_list("secret", flat=True).first()
        kept = wordings.set_webhook(
            broker=obj.broker, url=obj.url, is_active=obj.is_active, actor=actor(request)
        )
        obj.pk, obj.secret = kept.pk, kept.secret
        if kept.secret != before:
            messages.warning(
                request, _("Signing secret, shown this once: %(secret)s") % {"secret": kept.secret}
            )


def notices_table(call: MarginCall) -> Table:
    """What the client was told of a call, the newest first."""
    notices = list(Notice.objects.filter(call=call).order_by("-pk")[:20])
    rows = [
        [
            link(notice, notice.get_kind_display()),
            notice.get_channel_display(),
            notice_badge(notice),
            moment(notice.created_at),
            moment(notice.sent_at),
            moment(notice.acknowledged_at),
        ]
        for notice in notices
    ]
    return Table(
        _("Notices"),
        (
            Column(_("Kind")),
            Column(_("Channel")),
            Column(_("Status")),
            Column(_("Written at")),
            Column(_("Sent at")),
            Column(_("Acknowledged at")),
        ),
        rows,
        empty=_(
            "None: the client has no e-mail, and the firm no webhook. Call by telephone and keep it here."
        ),
        more=list_of(Notice, call__id__exact=call.pk) if rows else "",
    )
