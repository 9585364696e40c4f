from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class MarginConfig(AppConfig):
    name = "margin"
    verbose_name = _("Margin lending")

    def ready(self) -> None:
        from . import audit  # noqa: F401  registers the room's checks with the ledger's audit
        from .states import load_transitions

        post_migrate.connect(load_transitions, sender=self, dispatch_uid="margin.states")
