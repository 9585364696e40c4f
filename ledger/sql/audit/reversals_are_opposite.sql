-- A reversal moves every account of what it reverses back by as much, and nothing is reversed twice.
SELECT 'journal ' || id, message
  FROM (SELECT m.id, format('account %s is %s atoms off what journal %s moved', m.account_id, sum(m.amount_atoms),
                            m.reversal_of_id) AS message
          FROM (SELECT j.id, j.reversal_of_id, e.account_id, e.amount_atoms
                  FROM ledger_journal j JOIN ledger_entry e ON e.journal_id = j.id
                 WHERE j.reversal_of_id IS NOT NULL
                 UNION ALL
                SELECT j.id, j.reversal_of_id, e.account_id, e.amount_atoms
                  FROM ledger_journal j JOIN ledger_entry e ON e.journal_id = j.reversal_of_id) m
         GROUP BY m.id, m.reversal_of_id, m.account_id
        HAVING sum(m.amount_atoms) <> 0
         UNION ALL
        SELECT j.reversal_of_id, 'was reversed ' || count(*) || ' times'
          FROM ledger_journal j WHERE j.reversal_of_id IS NOT NULL
         GROUP BY j.reversal_of_id HAVING count(*) > 1
         UNION ALL
        SELECT j.id, 'reverses a journal that does not exist in its book'
          FROM ledger_journal j
         WHERE j.reversal_of_id IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM ledger_journal o WHERE o.id = j.reversal_of_id AND o.book_id = j.book_id)) f
