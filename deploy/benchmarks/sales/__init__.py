"""`manage.py benchmark sales`: what planning a forced sale costs, for one account and for a whole firm.

**account_20_assets**: an account of two coins and eighteen shares in board lots, one to thirty per cent above its
call level, with a broker's commission, the exchange's charges and stamp duty. Every fifth stands under a credit
limit that binds as well as the margin value. The plan is the least-cost set of whole lots, with proof.

**firm_300x8**: three hundred such accounts over eight assets at once, of each of which the firm may sell 15% of
what its clients hold. What is cheapest to sell is wanted by more than that; the plan shares it out and fits every
account to lots. Proved means here: all are cured, within a lot for each leg of a floor under any plan's cost.

**What is timed** is the pure function, from values to the plan; drawing the accounts is not. Figures are
percentiles over all plans of a round, and the median of the rounds.

**Afterwards** every plan is valued again by the kernel: each account must be at its target or better, nothing
sold that was not held and no cap passed; otherwise the command fails.

- `workload`  the accounts, drawn from a seed
- `command`   the options, the rounds, the checks, the table and the JSON
"""
