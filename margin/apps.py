from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class MarginConfig(AppConfig):
    name = "margin"
    verbose_name = _("Margin lending")

    def ready(self) -> None:
        from .audit import register_checks
        from .states import load_transitions

        register_checks()
        post_migrate.connect(load_transitions, sender=self, dispatch_uid="margin.states")
