-- A month's posting is the rounded sum of its days, and its journal booked that amount.
SELECT 'interest posting ' || p.id, format('%s cents posted, %s accrued, %s booked', p.amount_atoms, a.cents, coalesce(b.cents, 0))
  FROM margin_interestposting p
  JOIN (SELECT posting_id, floor(sum(numerator) / 36500000000 + 0.5) AS cents
          FROM margin_interestaccrual WHERE posting_id IS NOT NULL GROUP BY posting_id) a ON a.posting_id = p.id
  LEFT JOIN LATERAL (
       SELECT sum(e.amount_atoms) AS cents
         FROM ledger_entry e
         JOIN ledger_account c ON c.id = e.account_id AND c.role = 'interest_receivable'
        WHERE e.journal_id = p.journal_id) b ON true
 WHERE p.amount_atoms <> a.cents OR p.amount_atoms <> coalesce(b.cents, 0)
