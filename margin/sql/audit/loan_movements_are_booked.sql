-- A drawdown raised the principal by its amount; a repayment lowered cash by its amount.
SELECT 'loan movement ' || m.id, format('%s of %s recorded and %s booked', m.kind, m.amount, coalesce(b.units, 0))
  FROM margin_loanmovement m
  LEFT JOIN LATERAL (
       SELECT sum(e.amount_atoms) / 100 AS units
         FROM ledger_entry e
         JOIN ledger_account c ON c.id = e.account_id
        WHERE e.journal_id = m.journal_id
          AND c.role = CASE m.kind WHEN 'drawdown' THEN 'loan_principal' ELSE 'client_cash' END) b ON true
 WHERE b.units IS DISTINCT FROM m.amount
