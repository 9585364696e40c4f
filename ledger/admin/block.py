"""Sealed blocks, newest first."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger.models import Block

from .scope import BookScope


@admin.register(Block)
class BlockAdmin(BookScope):
    list_display = ("number", "book", "journal_count", "entry_count", "short_hash", "sealed_at")
    list_filter = ("book",)
    list_select_related = ("book",)
    search_fields = ("number__exact",)
    search_help_text = _("The number of a block.")
    nothing_yet = _(
        "The sealer makes a block of what was booked, every few seconds while the scheduler runs."
        " `manage.py seal` does it at once."
    )
    ordering = ("-pk",)
    fields = (
        ("book", "number", "sealed_at"),
        ("journal_count", "entry_count"),
        ("from_transaction", "to_transaction"),
        "own_hash",
        "hash_before",
        "root",
    )
    readonly_fields = ("own_hash", "hash_before", "root")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see journals may see their seal."""
        return bool(request.user.has_perm("ledger.view_journal"))

    @display(description=_("hash"))
    def short_hash(self, block: Block) -> SafeString:
        return format_html(
            '<code title="{0}">{1}…</code>', _hexadecimal(block.hash), _hexadecimal(block.hash)[:16]
        )

    @display(description=_("hash"))
    def own_hash(self, block: Block) -> SafeString:
        return _code(block.hash)

    @display(description=_("hash of the block before"))
    def hash_before(self, block: Block) -> SafeString:
        return _code(block.previous_hash)

    @display(description=_("Merkle root"))
    def root(self, block: Block) -> SafeString:
        return _code(block.merkle_root)


def _hexadecimal(digest: Any) -> str:
    return bytes(digest).hex()


def _code(digest: Any) -> SafeString:
    return format_html('<code class="break-all">{}</code>', _hexadecimal(digest))
