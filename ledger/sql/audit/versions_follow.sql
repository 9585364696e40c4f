-- Versions of an account run 1, 2, 3 without a gap, and each entry states the sum up to itself.
SELECT 'account ' || r.account_id,
       format('entry of version %s comes as number %s and states %s atoms where %s stand',
              r.version, r.place, r.balance_atoms, r.running)
  FROM (SELECT DISTINCT ON (account_id) *
          FROM (SELECT account_id, version, balance_atoms,
                       row_number() OVER following AS place,
                       sum(amount_atoms) OVER following AS running
                  FROM ledger_entry
                WINDOW following AS (PARTITION BY account_id ORDER BY version)) w
         WHERE version <> place OR balance_atoms <> running
         ORDER BY account_id, place) r
