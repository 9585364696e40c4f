from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class MarginConfig(AppConfig):
    name = "margin"
    verbose_name = _("Margin lending")

    def ready(self) -> None:
        from ledger.api.owners import know_owners_by
        from ledger.corporate_actions.hooks import before_applied

        from .audit import register_checks
        from .clients import strangers
        from .corporate_actions import end_sales_of
        from .sales.venues.ccxt_settings import check_configuration
        from .states import load_transitions

        checks.register(check_configuration)
        register_checks()
        before_applied(end_sales_of)
        know_owners_by(strangers)
        post_migrate.connect(load_transitions, sender=self, dispatch_uid="margin.states")
