"""A contract note to take away: the paper as it was issued."""

from __future__ import annotations

from django.http import HttpResponse

from margin.models import ContractNote


def paper_response(note: ContractNote) -> HttpResponse:
    """Send the paper of a note."""
    response = HttpResponse(bytes(note.document), content_type="application/pdf")
    name = note.reference.replace("/", "-")
    response["Content-Disposition"] = f'attachment; filename="{name}.pdf"'
    return response
