"""`manage.py benchmark ledger`: what posting costs, beside other ways to keep a ledger on the same server.

**The work** is the same for all. A journal is a transfer with two entries, of 0.01 to 9.99 dollars, under a key that
is used once. Ten thousand client accounts are opened beforehand and hold so much that no floor ever refuses.
*Uniform*: from any client to any other. *Zipf*: likewise, the client of rank k being drawn in proportion to 1/k.
*Hot*: between one account of the house (the bank) and any client, so that every journal meets the same row.

**What is timed.** Which accounts and amounts come next is drawn before the clock starts. Keys, amounts as decimals
and requests are built inside the timed loop, as a real caller has to. The latency is that of one call with the
building of its request: a call of `batch1000` books a thousand journals.

**Clients** are processes of their own, each with its own connection, started before anything is measured.
`coalesced` is the exception: its callers are threads of one serving process (or of two). So are those of `http_single`,
each with a connection to a web server as it is deployed, a process of eight threads on the same machine.

**Rounds** are interleaved: each goes through all cases before the next begins, every other one backwards, with TPC-B
in between, so that what else the machine does hits all alike. Each case is warmed up before its clock starts. The
figure of a case is the median of its rounds.

**Afterwards** the books must hold exactly the journals that were acknowledged and the money that was moved, and the
audit of the database must find nothing; otherwise the command fails.

- `cases`     the yardsticks and the table of cases
- `workload`  which accounts a transfer moves between
- `books`     ours: through `ledger.posting` with every guarantee on, and `web` over REST
- `naive`     a ledger as the ORM invites to write it
- `hordak`    django-hordak, when it is installed
- `pgledger`  pgledger, when its SQL is given
- `clients`   the processes that post, and `callers` inside them
- `proof`     what the books must show afterwards
- `rounds`    the order of measurements
- `growth`    what a full book costs against an empty one
- `report`    the table and the JSON
"""
