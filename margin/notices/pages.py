"""The page on which a client reads a notice and confirms it, by the link it was sent with and no sign-in.

Opening it confirms nothing: programs that scan mail open links, and only a person presses the button.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from ledger.core.errors import NotFound
from margin.contract_notes.files import paper_response
from margin.models import Notice

from .relay import acknowledge_by_token


@never_cache
@require_safe
def notice_paper(request: HttpRequest, token: str) -> HttpResponse:
    """The contract note that goes along with a notice, as it was issued."""
    notice = Notice.objects.select_related("contract_note").filter(token=token).first()
    if notice is None or notice.contract_note is None:
        raise Http404
    return paper_response(notice.contract_note)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def notice_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show a notice in its client's language; POST keeps that it was read."""
    notice = (
        Notice.objects.select_related("call__facility__client__broker", "contract_note")
        .filter(token=token)
        .first()
    )
    if notice is None:
        raise Http404
    if request.method == "POST":
        try:
            notice = acknowledge_by_token(token)
        except NotFound as error:
            raise Http404 from error
    with translation.override(notice.language):
        return render(
            request,
            "margin/notice.html",
            {"notice": notice, "is_acknowledged": notice.status == Notice.Status.ACKNOWLEDGED},
        )
