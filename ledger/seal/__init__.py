"""The seal: what was committed is chained in blocks by hash, and any journal can be proved to lie in one.

`sealer` makes blocks (the law is `ledger/sql/seal.sql`), `proof` writes a proof, `anchor` the newest hashes to keep
outside, `audit` recomputes them all, and `verify` judges a proof with nothing but Python's standard library.
What a seal can show and what it cannot stands in `deploy/docs/seal.md`. Nothing is imported here, so that
`python -m ledger.seal.verify` runs without Django.
"""
