from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LedgerConfig(AppConfig):
    name = "ledger"
    verbose_name = _("Ledger")

    def ready(self) -> None:
        from .corporate_actions.audit import register_checks
        from .holds.audit import register_check

        register_checks()
        register_check()
