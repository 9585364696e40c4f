from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class FourEyes(models.Model):
    """What one person proposes and another approves.

    The database refuses a checker who is the maker, so no application path can go round it.
    """

    class Approval(models.TextChoices):
        PROPOSED = "proposed", _("Proposed")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")

    approval = models.CharField(
        _("approval"), max_length=10, choices=Approval.choices, default=Approval.PROPOSED, editable=False
    )
    maker = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("maker"),
        editable=False,
    )
    made_at = models.DateTimeField(_("made at"), editable=False)
    checker = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("checker"),
        editable=False,
    )
    checked_at = models.DateTimeField(_("checked at"), null=True, blank=True, editable=False)
    reason = models.TextField(_("reason"), blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_maker_is_not_checker",
                condition=Q(checker__isnull=True) | ~Q(checker=F("maker")),
                violation_error_message=_("The maker may not be the checker."),
            ),
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_decided_by_a_checker",
                condition=Q(approval="proposed", checker__isnull=True, checked_at__isnull=True)
                | Q(approval__in=["approved", "rejected"], checker__isnull=False, checked_at__isnull=False),
            ),
        ]
