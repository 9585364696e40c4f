"""The book: every unit of cash, security and virtual asset, by owner and by place.

A journal is a set of entries that sums to zero per asset and, for anything that lies somewhere, per
location, so what we owe clients at a custodian equals what the custodian holds for us. Entries are only
ever added. The book knows no price and no loan; rooms above it post through `ledger.posting` and read
through `ledger.balances`. Invariants are numbered in `ledger/INVARIANTS.md`, each with the test that
goes round the application and is refused.
"""
