"""One page for every file that staff bring in: a form, then what became of the lines."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminFileFieldWidget

from collateral.tables import LineError
from ledger.core.errors import Refusal

BYTES_MAX: Final = 20 * 1024 * 1024
ERRORS_SHOWN_MAX: Final = 200


class UploadForm(forms.Form):
    """A comma-separated file in UTF-8 with a header."""

    file = forms.FileField(
        label=_("File"), widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv"})
    )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if file.size is None or file.size > BYTES_MAX:
            raise forms.ValidationError(
                _("The file is larger than 20 MB; send it in parts."), code="too_large"
            )
        return file


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: counts under their names, lines that were taken in, lines that were refused."""

    counts: Sequence[tuple[Any, int]]
    errors: Sequence[LineError]
    lines: Sequence[tuple[int, Any]] = ()

    def rows(self) -> list[tuple[int, str, Any]]:
        """Return (line, code of the refusal or nothing, words) of the lines to show, in their order."""
        refused = [(error.line, error.code, error.message) for error in self.errors[:ERRORS_SHOWN_MAX]]
        taken = [(line, "", words) for line, words in self.lines]
        return sorted(refused + taken, key=lambda row: row[0])


class UploadAdmin:
    """Adds the page to an admin whose rows come from files; whoever may add rows may upload them."""

    actions_list = ("upload",)
    upload_form: type[UploadForm] = UploadForm
    upload_title: Any = _("Upload a file")
    upload_help: Any = ""

    def take_in(self, request: HttpRequest, text: io.TextIOWrapper, form: UploadForm) -> Outcome:
        """Hand the file to the room's service and say what became of it."""
        raise TypeError(f"{type(self).__name__} does not say what it does with a file")

    def has_upload_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        meta = self.model._meta  # type: ignore[attr-defined]
        return bool(request.user.has_perm(f"{meta.app_label}.add_{meta.model_name}"))

    @action(description=_("Upload a file"), url_path="upload", icon="upload_file", permissions=["upload"])
    def upload(self, request: HttpRequest) -> HttpResponse:
        form = self.upload_form(request.POST or None, request.FILES or None)
        outcome = None
        if request.method == "POST" and form.is_valid():
            try:
                outcome = self.take_in(request, _text_of(form.cleaned_data["file"]), form)
            except Refusal as refusal:
                form.add_error(
                    refusal.field if refusal.field in form.fields else None,
                    forms.ValidationError(refusal.message, code=refusal.reason),
                )
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "title": self.upload_title,
            "opts": self.opts,  # type: ignore[attr-defined]
            "form": form,
            "help": self.upload_help,
            "outcome": outcome,
            "rows": outcome.rows() if outcome else (),
            "errors_left": max(0, len(outcome.errors) - ERRORS_SHOWN_MAX) if outcome else 0,
        }
        return TemplateResponse(request, "collateral/upload.html", context)


def _text_of(file: UploadedFile) -> io.TextIOWrapper:
    binary: Any = file.file
    return io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")
