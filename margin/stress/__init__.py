"""What a firm stands to lose when markets fall: scenarios, break-even prices, and the runs that are kept.

- `scenarios`   what a scenario does to prices and exchange rates
- `portfolio`   accounts under a scenario: tiers and caps included, through the one valuation kernel
- `breakeven`   how far prices must fall until a call, an immediate sale, a loss
- `sets`        scenario sets: proposed by one person, approved by another, in force from a day
- `accounts`    facilities of the books as the accounts that scenarios are tried on
- `runs`        a set run over every borrowing account of a firm, each month and on demand
- `prices`      the break-even prices of one facility as it stands now
- `backtests`   what several haircuts would have done to the lender, as it was computed and kept

The first three are arithmetic: values in, values out, no database. Source: `reference/regulation.md` 3.10 (stress
tests at least monthly), 1.10 (a gap in virtual assets), 3.4 (one name to zero); the percentages are house values.
"""
