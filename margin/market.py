"""One moment's market for a broker: prices, rates and haircuts, each read once for everything that needs it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from collateral.caps import Cap
from collateral.fx import FxQuote, latest_rate
from collateral.haircuts import haircuts_on
from collateral.models import Instrument, LendingHaircut, Product
from collateral.prices import PriceQuote, PriceState, latest_prices
from collateral.terms import NO_MARGIN, Terms, terms_on, under_terms
from collateral.tiers import kernel_tiers
from collateral.valuation import Holding
from ledger.core.clock import HONG_KONG
from ledger.models import Asset

from .caps import caps_on
from .models import Broker


@dataclass(frozen=True, slots=True)
class Market:
    """What the instruments named when it was made were worth at `at`, in `currency`."""

    at: datetime
    currency: str
    instruments: dict[str, Instrument]
    assets: dict[str, Asset]
    quotes: dict[str, PriceQuote]
    rates: dict[str, FxQuote]
    haircuts: dict[int, LendingHaircut]
    caps: tuple[Cap, ...] = ()
    terms: Terms = field(default_factory=Terms)

    @classmethod
    def at_moment(cls, broker: Broker, codes: Collection[str], *, at: datetime, currency: str) -> Market:
        """Read the market for the assets in `codes` as it stood at `at`."""
        assets = {asset.code: asset for asset in Asset.objects.filter(code__in=codes)}
        instruments = {
            instrument.asset.code: instrument
            for instrument in Instrument.objects.filter(asset__code__in=codes).select_related("asset")
        }
        quotes = latest_prices(list(instruments.values()), at=at)
        currencies = {quote.currency for quote in quotes.values()} | {
            asset.code for asset in assets.values() if asset.kind == Asset.Kind.FIAT
        }
        on = at.astimezone(HONG_KONG).date()
        return cls(
            at=at,
            currency=currency,
            instruments=instruments,
            assets=assets,
            quotes=quotes,
            rates={code: latest_rate(code, currency, at=at) for code in sorted(currencies)},
            haircuts=haircuts_on(on, entity_type=broker.entity_type, product=Product.MARGIN_LOAN),
            caps=caps_on(broker, on),
            terms=lending_terms(broker, assets.values(), on),
        )

    def holding(self, code: str, quantity: Decimal, *, counts_virtual_assets: bool) -> Holding:
        """Put a price, a rate and a haircut on a quantity; what has none of them carries no margin value."""
        asset = self.assets[code]
        if asset.kind == Asset.Kind.FIAT:
            rate = self.rates[code]
            return Holding(code, quantity, Decimal(1), Decimal(0), rate.bid, fx_ref=rate.rate_id)
        quote = self.quotes.get(code)
        if quote is None or quote.price_id is None:
            return Holding(code, quantity, Decimal(0), NO_MARGIN)
        rate = self.rates[quote.currency]
        haircut = self.haircuts.get(asset.pk)
        is_counted = asset.kind == Asset.Kind.SECURITY or counts_virtual_assets
        is_suspended = self.instruments[code].status != Instrument.Status.LISTED
        if not is_counted or is_suspended:
            haircut = None
        held = Holding(
            code,
            quantity,
            quote.price,
            haircut.haircut if haircut else NO_MARGIN,
            rate.bid,
            price_ref=quote.price_id,
            fx_ref=rate.rate_id,
            haircut_ref=haircut.pk if haircut else None,
            tiers=kernel_tiers(haircut) if haircut else (),
        )
        return under_terms(held, self.terms.of(code))

    def state(self, code: str) -> PriceState:
        """How fresh the price of `code` is; money is always fresh."""
        if self.assets[code].kind == Asset.Kind.FIAT:
            return PriceState.FRESH
        quote = self.quotes.get(code)
        return quote.state if quote else PriceState.MISSING


def lending_terms(broker: Broker, assets: Iterable[Asset], on: date) -> Terms:
    """Return the terms on which assets secure a firm's margin loans on a day."""
    return terms_on(on, assets, entity_type=broker.entity_type, product=Product.MARGIN_LOAN)
