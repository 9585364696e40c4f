from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Book(models.Model):
    """One closed, zero-sum set of accounts; a client lives in exactly one.

    Its code is the firm's, and its events carry it, so that a firm reads its own and no other's.
    """

    code = models.CharField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=120)
    closed_through = models.DateField(
        _("closed through"),
        null=True,
        blank=True,
        help_text=_("Nothing is booked at this value date or before."),
    )

    class Meta:
        verbose_name = _("book")
        verbose_name_plural = _("books")

    def __str__(self) -> str:
        return self.code
