from pathlib import Path

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CollateralConfig(AppConfig):
    name = "collateral"
    verbose_name = _("Collateral")

    def ready(self) -> None:
        from ledger.audit import register_law, register_queries
        from ledger.corporate_actions.hooks import when_applied

        from .feeds.configuration import check_configuration
        from .price_adjustments import adjust_prices
        from .reference import load_reference_data

        checks.register(check_configuration)
        register_queries("collateral", Path(__file__).parent / "sql" / "audit")
        register_law("collateral", Path(__file__).parent / "sql")
        when_applied(adjust_prices)
        post_migrate.connect(load_reference_data, sender=self, dispatch_uid="collateral.reference")
