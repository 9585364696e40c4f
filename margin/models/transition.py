from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Transition(models.Model):
    """One allowed step of a state machine; loaded from `margin.states`, enforced by trigger."""

    machine = models.CharField(_("machine"), max_length=30)
    from_state = models.CharField(_("from"), max_length=12)
    event = models.CharField(_("event"), max_length=30)
    to_state = models.CharField(_("to"), max_length=12)

    class Meta:
        verbose_name = _("transition")
        verbose_name_plural = _("transitions")
        constraints = [
            models.UniqueConstraint(fields=["machine", "from_state", "event"], name="margin_transition_once")
        ]

    def __str__(self) -> str:
        return f"{self.machine}: {self.from_state} {self.event} {self.to_state}"
