-- What reversals took back of a journal is opposite to it on each of its accounts and no more than it, in its own book.
SELECT 'journal ' || r.reversal_of_id,
       CASE WHEN o.amount IS NULL THEN format('its reversals moved account %s, which it did not', r.account_id)
            ELSE format('its reversals moved account %s by %s atoms of %s', r.account_id, r.amount, o.amount) END
  FROM (SELECT j.reversal_of_id, e.account_id, sum(e.amount_atoms) AS amount
          FROM ledger_journal j JOIN ledger_entry e ON e.journal_id = j.id
         WHERE j.reversal_of_id IS NOT NULL GROUP BY j.reversal_of_id, e.account_id) r
  LEFT JOIN LATERAL (SELECT sum(e.amount_atoms) AS amount FROM ledger_entry e
                      WHERE e.journal_id = r.reversal_of_id AND e.account_id = r.account_id) o ON true
 WHERE r.amount <> 0 AND (o.amount IS NULL OR r.amount * o.amount > 0 OR abs(r.amount) > abs(o.amount))
 UNION ALL
SELECT 'journal ' || j.id, 'reverses a journal that does not exist in its book'
  FROM ledger_journal j
 WHERE j.reversal_of_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM ledger_journal o WHERE o.id = j.reversal_of_id AND o.book_id = j.book_id)
