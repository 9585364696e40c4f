-- A closed account is empty, nothing is held of it, and nothing was booked on it since. Clocks of two machines may differ
-- by a little.
SELECT 'account ' || c.id, format('is closed and stands at %s atoms with %s held', b.net_atoms,
                                  b.held_debit_atoms + b.held_credit_atoms)
  FROM ledger_account c JOIN ledger_balance b ON b.account_id = c.id
 WHERE c.closed_at IS NOT NULL AND (b.net_atoms <> 0 OR b.held_debit_atoms <> 0 OR b.held_credit_atoms <> 0)
 UNION ALL
SELECT 'account ' || c.id, format('was closed at %s and moved by journal %s at %s', c.closed_at, j.id, j.booked_at)
  FROM ledger_account c
  JOIN ledger_entry e ON e.account_id = c.id
  JOIN ledger_journal j ON j.id = e.journal_id
 WHERE c.closed_at IS NOT NULL AND j.booked_at > c.closed_at + interval '1 hour'
