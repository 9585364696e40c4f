"""Journals with their entries, and one account's entries as its statement; a mistake is reversed here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from ledger.as_of import newest_block
from ledger.core.admin import ReadOnlyInline, ReasonForm, carry_out, dialog
from ledger.core.errors import Refusal
from ledger.journal_kinds import kind_in_words
from ledger.models import Entry, Journal
from ledger.posting import remaining, reverse
from ledger.seal.proof import block_of, prove

from . import show
from .scope import BookScope


class EntryColumns:
    """An entry as a line of a statement."""

    @display(description=_("account"))
    def account_link(self, entry: Entry) -> SafeString:
        return show.link(entry.account)

    @display(description=_("debit"))
    def debit(self, entry: Entry) -> str:
        return show.side(entry.account, entry.amount_atoms)

    @display(description=_("credit"))
    def credit(self, entry: Entry) -> str:
        return show.side(entry.account, -entry.amount_atoms)

    @display(description=_("balance after"))
    def balance_after(self, entry: Entry) -> str:
        return show.units(entry.account, entry.balance_atoms)


class EntryInline(EntryColumns, ReadOnlyInline):
    model = Entry
    fields = readonly_fields = ("account_link", "debit", "credit", "balance_after", "version")
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        rows = super().get_queryset(request)
        return rows.select_related("account__asset", "account__location").order_by("pk")


@admin.register(Journal)
class JournalAdmin(BookScope):
    list_display = ("booked_at", "kind_shown", "value_on", "cause", "narrative", "actor", "state", "book")
    list_filter = ("book",)
    list_select_related = ("book",)
    search_fields = ("id__exact", "cause__exact")
    search_help_text = _("A journal id, an idempotency key or a cause such as client:H0001.")
    ordering = ("-pk",)
    nothing_yet = _(
        "Nothing is booked. Journals come from deposits and loans on the clients' pages, and over the API."
    )
    fields = (
        ("kind_shown", "value_on", "booked_at"),
        ("book", "actor", "cause_link"),
        ("narrative", "reverses", "reversed_by"),
        ("posts",),
        ("identifier",),
        ("idempotency_key", "block_link"),
    )
    readonly_fields = (
        "identifier",
        "kind_shown",
        "cause_link",
        "reverses",
        "reversed_by",
        "posts",
        "block_link",
    )
    inlines = (EntryInline,)
    actions_detail = ("reverse_journal", "prove_journal")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Journal], search_term: str
    ) -> tuple[QuerySet[Journal], bool]:
        """A key is looked up where keys are kept; the months have no index of it."""
        made = Journal.objects.made_by(search_term.strip()) if search_term else Journal.objects.none()
        if found := list(made.values_list("pk", flat=True)):
            return queryset.filter(pk__in=found), False
        return super().get_search_results(request, queryset, search_term)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Journal]:
        was_reversed = Exists(Journal.objects.filter(reversal_of=OuterRef("pk")))
        rows = super().get_queryset(request).select_related("book", "reversal_of")
        return rows.annotate(was_reversed=was_reversed)

    def has_reverse_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "ledger.add_journal", object_id)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        journal = Journal.objects.filter(pk=object_id).first()
        if journal is None:
            return []
        buttons = super().get_actions_detail(request, object_id)
        absent = set() if remaining(journal) else {"reverse_journal"}
        if block_of(journal) is None:
            absent.add("prove_journal")
        return [button for button in buttons if button.method.original_function_name not in absent]

    @display(description=_("state"), label={"booked": "success", "reversed": "warning", "reversal": "info"})
    def state(self, journal: Journal) -> tuple[str, Any]:
        if journal.was_reversed:  # type: ignore[attr-defined]
            return "reversed", _("Reversed")
        if journal.reversal_of_id:
            return "reversal", _("Reversal")
        return "booked", _("Booked")

    @display(description=_("kind"))
    def kind_shown(self, journal: Journal) -> SafeString:
        return format_html('<span title="{}">{}</span>', journal.kind, kind_in_words(journal.kind))

    @display(description=_("identifier"))
    def identifier(self, journal: Journal) -> object:
        return journal.pk

    @display(description=_("cause"))
    def cause_link(self, journal: Journal) -> SafeString:
        return show.cause(journal.cause)

    @display(description=_("reversal of"))
    def reverses(self, journal: Journal) -> SafeString:
        return show.link(journal.reversal_of)

    @display(description=_("posts the hold"))
    def posts(self, journal: Journal) -> SafeString:
        return show.link(journal.hold)

    @display(description=_("reversed by"))
    def reversed_by(self, journal: Journal) -> SafeString:
        links = [show.link(reversal) for reversal in journal.reversals.order_by("pk")]
        return format_html_join(", ", "{}", ((each,) for each in links)) if links else show.link(None)

    @display(description=_("block"))
    def block_link(self, journal: Journal) -> SafeString:
        block = block_of(journal)
        return show.link(block, block.number) if block else format_html("{}", _("Not sealed yet"))

    @action(description=_("Download the proof"), url_path="prove", icon="verified", permissions=["prove"])
    def prove_journal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        journal = get_object_or_404(self.get_queryset(request), pk=object_id)
        try:
            told = prove(journal, through=newest_block(journal.book))
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(self.change_url(object_id))
        reply = JsonResponse(told, json_dumps_params={"ensure_ascii": False, "indent": 1})
        reply["Content-Disposition"] = f'attachment; filename="proof-{journal.pk}.json"'
        return reply

    def has_prove_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "ledger.view_journal", object_id)

    @action(
        description=_("Reverse"),
        url_path="reverse",
        icon="undo",
        permissions=["reverse"],
        variant=ActionVariant.DANGER,
        dialog=dialog(
            _("Reverse"), _("Books the opposite of what is left of this journal, value today."), ReasonForm
        ),
    )
    def reverse_journal(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        journal = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: reverse(
                journal,
                key=f"reversal:{journal.pk}",
                actor=request.user.get_username(),
                reason=form.cleaned_data["reason"],
            ),
            done=_("The journal was reversed."),
            then=self.change_url(object_id),
        )


@admin.register(Entry)
class EntryAdmin(EntryColumns, BookScope):
    book_path = "journal__book"
    list_display = ("journal_link", "value_on", "account_link", "debit", "credit", "balance_after", "version")
    list_display_links = None
    nothing_yet = _(
        "Nothing is booked. Journals come from deposits and loans on the clients' pages, and over the API."
    )
    list_select_related = ("journal", "account__asset", "account__location")
    fields = readonly_fields = (
        "journal_link",
        "value_on",
        "account_link",
        "debit",
        "credit",
        "balance_after",
    )

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The newest first; along the account's own index when the list is one account's statement."""
        return ("-version",) if "account" in request.GET else ("-pk",)

    @display(description=_("journal"))
    def journal_link(self, entry: Entry) -> SafeString:
        return show.link(entry.journal, kind_in_words(entry.journal.kind))

    @display(description=_("value date"))
    def value_on(self, entry: Entry) -> Any:
        return entry.journal.value_on
