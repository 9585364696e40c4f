"""What a firm stands to lose when markets fall: scenarios, and the prices at which its accounts break.

- `scenarios`   what a scenario does to prices and exchange rates
- `portfolio`   accounts under a scenario: tiers and caps included, through the one valuation kernel
- `breakeven`   how far prices must fall until a call, an immediate sale, a loss

All of it is arithmetic: values in, values out, no database. Source: `reference/regulation.md` 3.10 (stress tests at
least monthly), 1.10 (a gap in virtual assets), 3.4 (one name to zero); the percentages are house values.
"""
