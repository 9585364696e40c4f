-- What is held of a balance is the sum of its active holds, and what a hold posted is the sum of the journals that name it.
SELECT 'account ' || b.account_id,
       format('%s atoms held to be debited and %s to be credited; its holds make %s and %s', b.held_debit_atoms,
              b.held_credit_atoms, coalesce(d.total, 0), coalesce(c.total, 0))
  FROM ledger_balance b
  LEFT JOIN (SELECT debit_account_id AS account_id, sum(amount_atoms - posted_atoms) AS total
               FROM ledger_hold WHERE state = 'active' GROUP BY debit_account_id) d USING (account_id)
  LEFT JOIN (SELECT credit_account_id AS account_id, sum(amount_atoms - posted_atoms) AS total
               FROM ledger_hold WHERE state = 'active' GROUP BY credit_account_id) c USING (account_id)
 WHERE b.held_debit_atoms <> coalesce(d.total, 0) OR b.held_credit_atoms <> coalesce(c.total, 0)
 UNION ALL
SELECT 'hold ' || coalesce(h.id, p.hold_id),
       CASE WHEN h.id IS NULL THEN 'journals post it and it does not exist'
            ELSE format('says %s atoms were posted and its journals make %s', h.posted_atoms, coalesce(p.total, 0)) END
  FROM ledger_hold h
  FULL JOIN (SELECT j.hold_id, sum(e.amount_atoms) AS total
               FROM ledger_journal j JOIN ledger_entry e ON e.journal_id = j.id AND e.amount_atoms > 0
              WHERE j.hold_id IS NOT NULL GROUP BY j.hold_id) p ON p.hold_id = h.id
 WHERE h.id IS NULL OR h.posted_atoms <> coalesce(p.total, 0)
