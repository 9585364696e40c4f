-- A hold lies between two accounts of its book, of one asset and place; its state is what was posted of it and when it
-- ended; the journals that post it move its two accounts and no other; a group is whole.
SELECT 'hold ' || h.id, 'its accounts are not two of one asset, place and book'
  FROM ledger_hold h
  LEFT JOIN ledger_account d ON d.id = h.debit_account_id
  LEFT JOIN ledger_account c ON c.id = h.credit_account_id
 WHERE NOT coalesce(d.id <> c.id AND d.book_id = h.book_id AND c.book_id = h.book_id AND d.asset_id = c.asset_id
                    AND d.stock_location_id IS NOT DISTINCT FROM c.stock_location_id, false)
 UNION ALL
SELECT 'hold ' || id,
       format('is %s with %s of %s atoms posted, ended %s, to expire %s', state, posted_atoms, amount_atoms,
              coalesce(ended_at::text, 'never'), coalesce(expires_at::text, 'never'))
  FROM ledger_hold
 WHERE (state = 'posted') <> (posted_atoms = amount_atoms) OR (state = 'active') <> (ended_at IS NULL)
    OR (state = 'expired' AND coalesce(expires_at > ended_at, true)) OR posted_atoms NOT BETWEEN 0 AND amount_atoms
 UNION ALL
SELECT 'journal ' || j.id, format('does not post hold %s on its two accounts', j.hold_id)
  FROM ledger_journal j
  JOIN ledger_hold h ON h.id = j.hold_id
  JOIN ledger_entry e ON e.journal_id = j.id
 WHERE j.hold_id IS NOT NULL
 GROUP BY j.id, j.hold_id
HAVING count(*) <> 2 OR NOT bool_and(
           e.account_id = CASE WHEN e.amount_atoms > 0 THEN h.debit_account_id ELSE h.credit_account_id END)
 UNION ALL
SELECT 'group ' || group_id, format('has %s holds, numbered %s to %s, or was let go in part', count(*), min(position), max(position))
  FROM ledger_hold
 GROUP BY group_id
HAVING min(position) <> 1 OR max(position) <> count(*) OR NOT bool_and((position = 1) = (id = group_id))
    OR count(DISTINCT (book_id, idempotency_key, body_hash, coalesce(expires_at, 'infinity'))) > 1
    OR (bool_or(state = 'active') AND bool_or(state IN ('released', 'expired')))
