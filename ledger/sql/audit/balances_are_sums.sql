-- A balance is the sum of its account's entries and its version is their number.
SELECT 'account ' || b.account_id,
       format('stands at %s atoms, version %s; its entries make %s, version %s',
              b.net_atoms, b.version, coalesce(e.total, 0), coalesce(e.entries, 0))
  FROM ledger_balance b
  LEFT JOIN (SELECT account_id, sum(amount_atoms) AS total, count(*) AS entries
               FROM ledger_entry GROUP BY account_id) e ON e.account_id = b.account_id
 WHERE b.net_atoms <> coalesce(e.total, 0) OR b.version <> coalesce(e.entries, 0)
