from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Command(models.Model):
    """A command received under an idempotency key, and the reply it was given.

    The reply is written in the same commit as the effect, so a key whose reply is missing had no effect.
    """

    scope = models.CharField(_("scope"), max_length=64)
    key = models.CharField(_("idempotency key"), max_length=255)
    route = models.CharField(_("route"), max_length=200)
    body = models.JSONField(_("body"))
    body_hash = models.CharField(_("body hash"), max_length=64)
    received_at = models.DateTimeField(_("received at"))
    response_status = models.PositiveSmallIntegerField(_("response status"), null=True, blank=True)
    response_body = models.JSONField(_("response body"), null=True, blank=True)

    class Meta:
        verbose_name = _("command")
        verbose_name_plural = _("commands")
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="core_command_key_once")]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
