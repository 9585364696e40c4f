from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import price_field


class VenueOrder(models.Model):
    """What was sent to a trading venue and under which id; committed before the venue hears of it.

    Without such a row an order was certainly never sent. What was sent does not change; only when it was sent
    last, and the venue's own id of it once it is known.
    """

    venue = models.CharField(_("venue"), max_length=8)
    client_order_id = models.CharField(_("client order id"), max_length=80)
    venue_order_id = models.CharField(_("id sent to the venue"), max_length=32, unique=True)
    symbol = models.CharField(_("symbol"), max_length=40)
    quantity = price_field(_("quantity"))
    limit_price = price_field(_("limit price"))
    sent_at = models.DateTimeField(_("sent at"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=1)
    reference = models.CharField(_("the venue's id"), max_length=80, blank=True)

    class Meta:
        verbose_name = _("order sent to a venue")
        verbose_name_plural = _("orders sent to venues")
        constraints = [
            models.UniqueConstraint(fields=["venue", "client_order_id"], name="margin_venueorder_once"),
            models.CheckConstraint(
                name="margin_venueorder_sells_something",
                condition=Q(quantity__gt=0, limit_price__gt=0, attempts__gte=1),
            ),
        ]

    def __str__(self) -> str:
        return self.client_order_id
