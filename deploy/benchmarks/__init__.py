"""How fast it is, beside yardsticks that run on the same server in the same minutes: `manage.py benchmark`.

An absolute figure says as much about the machine as about the code, so every figure is a ratio to a yardstick.

- `servers`   a PostgreSQL for the time of a run, with fsync on, and databases that are dropped afterwards
- `tpcb`      the yardstick of the machine: pgbench's TPC-B
- `figures`   percentiles, medians of rounds, ratios
- `ledger/`   `manage.py benchmark ledger`: posting to the book
- `sales/`    `manage.py benchmark sales`: planning forced sales, which needs no server

To run against a server of the firm's own, give `DATABASE_URL`; its role needs CREATEDB.
"""
