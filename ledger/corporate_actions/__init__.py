"""What an issuer does to those who hold its paper: splits, bonus issues and cash dividends.

An action is proposed by one person, approved by another and carried out by the clock in two steps.

1. **Applied** (`actions.apply`): what every account held is written down once, with what the terms give it
   (:class:`ledger.models.Entitlement`), and booked. A split changes quantities at once; a bonus or a dividend is
   booked as due from the custodian and owed to the holder, where no valuation counts it.
2. **Paid** (`actions.pay`): on the pay date what is owed becomes the client's collateral or cash.

`ratios` is the arithmetic, in exact fractions. `entitlements` puts it on holdings. `templates` says which journals
an entitlement makes, one per account and step under the key `corporate-action:<id>:<account id>`, so that nothing
happens twice. `holdings` reads who held what. Rooms above learn of an action through `hooks` and the event
`ledger.corporate_action.applied`.

What is gained or lost by rounding is never hidden. A custodian rounds the pool, the house rounds each holder; the
whole shares and cents between the two stand on the house's suspense account at that place until they are sold.
"""
