"""The forced sale: plan the least that cures, release it with four eyes, work it, settle it.

`planner` and its helpers are pure. `planning` puts an account before the planner and keeps the plan with its
hash; `release` is where people or a named rule approve that hash; `execution` works orders at a venue, one
committed step at a time; `settlement` books what settles and `outcome` concludes the call. Locks are taken in the
order facility, call, sale, leg, order, and balances last (inside `ledger_post`).
"""
