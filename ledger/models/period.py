from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ledger.core.fields import AtomsField
from ledger.core.models import FourEyes


class PeriodChange(FourEyes):
    """The closing of a book's periods through a day, or their reopening, by two people.

    Once approved it has a number in its book, and what stood closed before; of a closing the law writes down the trial
    balance of everything up to that day: per asset the totals of the accounts on each side in atoms, how many accounts
    and entries there are, and a hash over every account's balance. The law stands in `ledger/sql/periods.sql`.
    """

    class Kind(models.TextChoices):
        CLOSE = "close", pgettext_lazy("periods", "Close")
        REOPEN = "reopen", pgettext_lazy("periods", "Reopen")

    book = models.ForeignKey(
        "ledger.Book", on_delete=models.PROTECT, related_name="period_changes", verbose_name=_("book")
    )
    kind = models.CharField(_("kind"), max_length=6, choices=Kind.choices)
    through = models.DateField(
        _("closed through"),
        null=True,
        blank=True,
        help_text=_("The last day that is closed afterwards; of a reopening none for all days open."),
    )
    number = models.PositiveIntegerField(_("number"), null=True, blank=True, editable=False)
    closed_before = models.DateField(_("closed through before"), null=True, blank=True, editable=False)
    figures = models.JSONField(_("figures at closing"), null=True, blank=True, editable=False)

    class Meta(FourEyes.Meta):
        verbose_name = _("closing of periods")
        verbose_name_plural = _("closings of periods")
        constraints = [
            *FourEyes.Meta.constraints,
            models.CheckConstraint(
                name="ledger_periodchange_of_its_kind",
                condition=Q(kind="close", through__isnull=False) | Q(kind="reopen", figures__isnull=True),
            ),
            models.CheckConstraint(
                name="ledger_periodchange_numbered_when_approved",
                condition=Q(approval="approved", number__isnull=False)
                | (
                    ~Q(approval="approved")
                    & Q(number__isnull=True, closed_before__isnull=True, figures__isnull=True)
                ),
            ),
            models.UniqueConstraint(fields=["book", "number"], name="ledger_periodchange_number_once"),
        ]

    def __str__(self) -> str:
        day = f"{self.through:%Y-%m-%d}" if self.through else "–"
        return f"{self.book} {self.get_kind_display()} {day}"


class PeriodBalance(models.Model):
    """What stood on an account at a closing, and how many entries had made it.

    Written with the figures of its closing, by the law (`ledger/sql/period_balances.sql`), for the next closing to start
    from; `manage.py audit` compares them.
    """

    pk = models.CompositePrimaryKey("change_id", "account_id")
    change = models.ForeignKey(
        "ledger.PeriodChange",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="balances",
        verbose_name=_("closing of periods"),
    )
    account = models.ForeignKey(
        "ledger.Account",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("account"),
    )
    net_atoms = AtomsField(_("net balance"))
    entry_count = models.BigIntegerField(_("entries"))

    class Meta:
        db_table = "ledger_period_balance"
        verbose_name = _("balance at a closing")
        verbose_name_plural = _("balances at closings")

    def __str__(self) -> str:
        return f"{self.change_id} {self.account_id}"
