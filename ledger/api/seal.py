"""Sealed blocks and the proof that a journal lies in one, as `ledger/seal/verify.py` judges it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.core.api.requests import refuse_parameter
from ledger.core.api.views import Detail, Listing
from ledger.models import Block, Book, Journal
from ledger.seal.proof import header, prove

from .views import TAGS, BookView, kept_in

NUMBER_HELP = gettext_lazy("A whole number, as text.")
HASH_HELP = gettext_lazy("SHA-256 in hexadecimal.")


class BlockSerializer(serializers.Serializer[Block]):
    """A block's header, each value written as it is hashed."""

    book = serializers.CharField()
    number = serializers.CharField(help_text=NUMBER_HELP)
    from_transaction = serializers.CharField(help_text=NUMBER_HELP)
    to_transaction = serializers.CharField(help_text=NUMBER_HELP)
    journal_count = serializers.CharField(help_text=NUMBER_HELP)
    entry_count = serializers.CharField(help_text=NUMBER_HELP)
    merkle_root = serializers.CharField(help_text=HASH_HELP)
    previous_hash = serializers.CharField(help_text=HASH_HELP)
    sealed_at = serializers.CharField(help_text=gettext_lazy("UTC to the microsecond."))
    hash = serializers.CharField(help_text=HASH_HELP)

    def to_representation(self, instance: Block) -> dict[str, str]:
        return header(instance, instance.book.code)


class ProofSerializer(serializers.Serializer[Any]):
    """Everything a verifier needs; the journal's texts are what was hashed."""

    format = serializers.CharField()
    journal = serializers.DictField(
        help_text=gettext_lazy("The whole journal with its entries; amounts are atoms.")
    )
    place = serializers.IntegerField(help_text=gettext_lazy("Place among the block's journals, from 0."))
    path = serializers.ListField(child=serializers.CharField(help_text=HASH_HELP))
    blocks = BlockSerializer(many=True)


@extend_schema_view(get=extend_schema(operation_id="listBlocks", tags=TAGS))
class BlockListView(Listing, BookView):
    """Sealed blocks, newest first; keep their hashes, and no history can be made anew unseen."""

    model = Block
    serializer_class = BlockSerializer
    staff_permissions = {"GET": "ledger.view_journal"}

    def for_book(self, book: Book | None) -> QuerySet[Block]:
        return kept_in(Block.objects.select_related("book"), book)


@extend_schema_view(
    get=extend_schema(
        operation_id="getJournalProof",
        tags=TAGS,
        parameters=[
            OpenApiParameter(
                "through",
                int,
                description=str(gettext_lazy("Name the blocks up to this one too, at most 10,000.")),
            )
        ],
    )
)
class JournalProofView(Detail, BookView):
    """The proof that a journal lies in a sealed block; a conflict while it is not sealed yet."""

    model = Journal
    serializer_class = ProofSerializer
    lookup_field = "pk"
    lookup_url_kwarg = "id"

    def for_book(self, book: Book | None) -> QuerySet[Journal]:
        return kept_in(Journal.objects.select_related("book"), book)

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(prove(self.get_object(), through=whole_number(request, "through")))

    def known_parameters(self, method: str) -> frozenset[str]:
        return super().known_parameters(method) | {"through"}


def whole_number(request: Request, name: str) -> int | None:
    """Return a query parameter as a number, None where it is not given; refuse anything else by its name."""
    given = request.query_params.get(name)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise refuse_parameter(name, _("A whole number."), "invalid")
    return int(given)
