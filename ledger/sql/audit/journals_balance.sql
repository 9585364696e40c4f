-- Entries of a journal sum to zero per asset, and per location for what lies somewhere.
SELECT 'journal ' || e.journal_id,
       format('off by %s atoms of %s at %s', sum(e.amount_atoms), s.code, coalesce(l.code, 'any location'))
  FROM ledger_entry e
  JOIN ledger_account c ON c.id = e.account_id
  JOIN ledger_asset s ON s.id = c.asset_id
  LEFT JOIN ledger_location l ON l.id = c.location_id AND s.is_located
 GROUP BY e.journal_id, s.code, l.code
HAVING sum(e.amount_atoms) <> 0
