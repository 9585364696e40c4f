"""What we lend and what we do about it.

Brokers and their clients, facilities, drawdown, repayment and interest; the scheduled valuation of every
facility; the margin call and, when it is not met, the forced sale of the least that restores the account.
Arithmetic stands in pure modules (`interest`, `sales.planner`, `sales.fees`); every step of a workflow is
found by a query and may run twice, because the database decides what has already happened.
"""
