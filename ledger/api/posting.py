"""Journals booked over HTTP by who was expressly given the right: they pass the rules of the rooms above.

A single journal is booked under the request's `Idempotency-Key`; the journals of a batch under the keys they carry, so a
journal has one effect whatever batch or request brings it. Both are unique to the caller.

The books keep the key of a single journal in the commit that books it, or the refusal it was given, and answer it from there
ever after. So no reply is stored beside it, no request holds a transaction, and journals that come at the same time share
one commit (`ledger/coalescing.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.accounts import resolve
from ledger.balances import Standing
from ledger.coalescing import DESK
from ledger.core.api.idempotent import Known, idempotency_key_of
from ledger.core.api.parsers import BODY_BYTES_MAX, StrictJSONParser
from ledger.core.api.views import Asking, Commanding, Listing, SharedView
from ledger.core.errors import Invalid, KeyReused, Refusal
from ledger.core.idempotency import key_reused
from ledger.models import Book, Journal, PostingKey
from ledger.posting import reverse
from ledger.preview import Mode, Outlook, first_refused, post_as, preview
from ledger.requests import ENTRIES_PER_JOURNAL_MAX, JOURNALS_PER_BATCH_MAX, JournalRequest, Refused

from .filters import JournalFilter
from .journal_bodies import PostBatchSerializer, PostJournalSerializer, ReverseJournalSerializer
from .owners import strangers
from .posting_serializers import (
    BatchResultSerializer,
    LimitsSerializer,
    PostingPreviewSerializer,
)
from .serializers import JournalSerializer
from .views import BookView, kept_in

TAGS = ["Books"]
BATCH_BODY_BYTES_MAX: Final = 16 * BODY_BYTES_MAX


class BatchParser(StrictJSONParser):
    body_bytes_max = BATCH_BODY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Item:
    """What became, or would become, of one journal of a batch, by the key the caller gave it."""

    key: str
    outlook: Outlook


class PostingView(BookView):
    """Who may post: a person with `ledger.add_journal`, a system whose key was given it."""

    model = Journal
    granted_methods: ClassVar[frozenset[str]] = frozenset({"POST"})
    staff_permissions = {"POST": "ledger.add_journal"}

    def for_book(self, book: Book | None) -> QuerySet[Journal]:
        return kept_in(Journal.objects.all(), book)

    def key_of(self, given: str) -> str:
        """The key in the book of what the caller calls `given`: bounded, and nobody else's."""
        return "api:journal:" + hashlib.sha256(f"{self.caller.scope}\n{given}".encode()).hexdigest()

    def strangers_in(self, requests: Sequence[JournalRequest]) -> dict[int, Refusal]:
        """Refuse, by position, each request that names a client the firm does not have.

        Who has the account is known already, and accounts are remembered by the process.
        """
        book = self.book_required()
        keys = {leg.account for request in requests for leg in request.legs}
        unknown = strangers(
            book, {key.owner for key in keys - resolve(book, keys, may_open=False).keys()} - {""}
        )
        found: dict[int, Refusal] = {}
        for position, request in enumerate(requests if unknown else ()):
            for number, leg in enumerate(request.legs):
                if leg.account.owner in unknown:
                    found[position] = Invalid(
                        _("There is no client %(number)s.") % {"number": leg.account.owner},
                        field=f"legs.{number}.client",
                        code="unknown_client",
                    )
                    break
        return found


@extend_schema_view(
    get=extend_schema(operation_id="listJournals", tags=TAGS),
    post=extend_schema(operation_id="postJournal", tags=TAGS),
)
class JournalListView(Listing, Commanding, PostingView):
    """Journals, newest first; `client` keeps those that move an account of that client.

    A posted journal passes by the rules of lending: it needs an API key with the right to post journals, or a person with
    that permission.

    The `Idempotency-Key` is the journal's own, so it means the same journal in a batch: it has its effect once, and a
    refusal by the books is remembered too. A journal of an unknown client, asset or place leaves the key free.
    """

    serializer_class = JournalSerializer
    filterset_class = JournalFilter
    command_serializer_class = PostJournalSerializer
    keeps_its_key = True

    def locate(self) -> Book:
        return self.book_required()

    def carry_out(self, target: Book, values: dict[str, Any], *, key: str) -> Journal | Refusal | Known:
        request = JournalRequest(key=self.key_of(idempotency_key_of(self.request)), **values)
        if strange := self.strangers_in([request]):
            raise strange[0]
        outcome = DESK.answer(target, request, actor=self.caller.actor)
        if isinstance(outcome, Refused):
            return self._refused(target, request, outcome)
        journal = Journal.objects.get(pk=outcome.journal_id)
        if not outcome.is_replay:
            return journal
        if journal.narrative != request.narrative:
            # The books do not count it as part of the wish; whoever calls does.
            raise key_reused(["narrative"])
        return Known(journal)

    def _refused(self, book: Book, request: JournalRequest, outcome: Refused) -> Refusal | Known:
        """Return a refusal that the books keep under the key; raise one that left nothing there."""
        refusal = outcome.refusal
        if isinstance(refusal, KeyReused):
            raise key_reused(refusal.details["differing"])
        _at_the_leg(refusal, request)
        if outcome.is_replay:
            return Known(refusal)
        if not PostingKey.objects.filter(book=book, key=request.key, journal=None).exists():
            raise refusal
        return refusal


class _BatchView(PostingView):
    parser_classes = [BatchParser]

    def results(
        self, values: dict[str, Any], do: Callable[[list[JournalRequest], Mode], Sequence[Outlook]]
    ) -> dict[str, Any]:
        """Let `do` post or preview the batch; returns its mode and one result for each journal, in order."""
        given: list[JournalRequest] = values["journals"]
        mode = Mode(values["mode"])
        strange = self.strangers_in(given)
        if strange and mode is Mode.ALL_OR_NONE:
            position, refusal = next(iter(strange.items()))
            raise _in_the_batch(refusal, position)
        asked = [replace(r, key=self.key_of(r.key)) for n, r in enumerate(given) if n not in strange]
        try:
            outlooks = iter(do(asked, mode) if asked else ())
        except Refusal as refusal:
            position = first_refused(self.book_required(), asked, actor=self.caller.actor)
            raise _in_the_batch(_at_the_leg(refusal, asked[position]), position) from refusal
        items = []
        for position, request in enumerate(given):
            outlook = Outlook(refusal=strange[position]) if position in strange else next(outlooks)
            if outlook.refusal is not None:
                _at_the_leg(outlook.refusal, request)
            items.append(Item(request.key, outlook))
        return {"mode": mode.value, "results": items}


@extend_schema_view(post=extend_schema(operation_id="postJournalBatch", tags=TAGS))
class JournalBatchView(Commanding, _BatchView):
    """Book a batch of journals in order, in one commit.

    `all_or_none`: one refusal refuses everything, leaves nothing, and names the journal in `errors`. `independent`: each
    stands for itself, with a result in order; a refusal is remembered under the journal's key. A key that is known
    with the same journal answers `is_replay`; twice in one batch it has one effect.

    At most 5,000 journals of at most 500 entries, in a body of at most 16 MiB; see `GET /api/v1/limits`. An API key
    needs the right to post journals.
    """

    command_serializer_class = PostBatchSerializer
    serializer_class = BatchResultSerializer

    def locate(self) -> Book:
        return self.book_required()

    def carry_out(self, target: Book, values: dict[str, Any], *, key: str) -> dict[str, Any]:
        def post(requests: list[JournalRequest], mode: Mode) -> list[Outlook]:
            results = post_as(target, requests, actor=self.caller.actor, mode=mode)
            return [
                Outlook(refusal=r.refusal, is_replay=r.is_replay)
                if isinstance(r, Refused)
                else Outlook(is_replay=r.is_replay, journal_id=r.journal_id)
                for r in results
            ]

        return self.results(values, post)


@extend_schema_view(post=extend_schema(operation_id="previewJournals", tags=TAGS))
class JournalPreviewView(Asking, _BatchView):
    """What booking a batch would do now, by booking it and taking it back: the results, and what would stand where.

    The body is that of a batch. Nothing stays of it, no key is used, and it may be asked again. Refused as the batch would
    be. An API key needs the right to post journals.
    """

    command_serializer_class = PostBatchSerializer
    serializer_class = PostingPreviewSerializer

    def answer(self, values: dict[str, Any]) -> dict[str, Any]:
        book = self.book_required()
        standings: tuple[Standing, ...] = ()

        def look(requests: list[JournalRequest], mode: Mode) -> Sequence[Outlook]:
            nonlocal standings
            seen = preview(book, requests, actor=self.caller.actor, mode=mode)
            standings = seen.standings
            return seen.outlooks

        return self.results(values, look) | {"accounts": standings}


@extend_schema_view(post=extend_schema(operation_id="reverseJournal", tags=TAGS))
class JournalReversalView(Commanding, PostingView):
    """Book the opposite of a journal, or of a part of it, once in all; both are linked.

    An API key needs the right to post journals.
    """

    command_serializer_class = ReverseJournalSerializer
    serializer_class = JournalSerializer

    def locate(self) -> Journal:
        journal: Journal = get_object_or_404(self.get_queryset().select_related("book"), pk=self.kwargs["id"])
        return journal

    def carry_out(self, target: Journal, values: dict[str, Any], *, key: str) -> Journal:
        posted = reverse(
            target,
            key=key,
            actor=self.caller.actor,
            reason=values["reason"],
            value_on=values["value_on"],
            part=values["legs"],
        )
        return Journal.objects.get(pk=posted.journal_id)


@extend_schema_view(get=extend_schema(operation_id="getLimits", tags=TAGS))
class LimitsView(SharedView):
    """How much one request may bring; what is larger is refused, naming the limit."""

    model = Journal
    serializer_class = LimitsSerializer
    pagination_class = None

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        limits = {
            "journals_per_batch": JOURNALS_PER_BATCH_MAX,
            "entries_per_journal": ENTRIES_PER_JOURNAL_MAX,
            "body_bytes": BODY_BYTES_MAX,
            "batch_body_bytes": BATCH_BODY_BYTES_MAX,
        }
        return Response(self.get_serializer(limits).data, status=HTTPStatus.OK)


def _in_the_batch(refusal: Refusal, position: int) -> Refusal:
    """Say which journal a batch of all or none is refused for."""
    refusal.field = f"journals.{position}.{refusal.field}".rstrip(".")
    refusal.details["item"] = position
    return refusal


def _at_the_leg(refusal: Refusal, request: JournalRequest) -> Refusal:
    """Let a refusal of a code or a quantity point at the leg that brought it, where one did."""
    details = refusal.details
    for position, leg in enumerate(request.legs):
        if refusal.field in ("asset", "location", "role") and all(
            getattr(leg.account, name) == details[name]
            for name in ("asset", "location", "role")
            if name in details
        ):
            refusal.field = f"legs.{position}.{refusal.field}"
        elif (
            refusal.reason == "inexact"
            and leg.account.asset == details.get("asset")
            and (
                leg.quantity
                == max(
                    (o.quantity for o in request.legs if o.account.asset == leg.account.asset), key=_fineness
                )
            )
        ):
            refusal.field = f"legs.{position}.quantity"
        else:
            continue
        break
    return refusal


def _fineness(quantity: Any) -> int:
    """How many decimals a quantity has: of one asset's quantities the finest is the one that does not fit."""
    return -int(quantity.normalize().as_tuple().exponent)
