-- A fill's charges add up, its trade journal moved what it says, and once settled it names that journal.
SELECT 'fill ' || l.id, 'gross, fees and net do not add up'
  FROM margin_fill l WHERE l.gross - l.fees_total <> l.net
UNION ALL
SELECT 'fill ' || l.id, 'settled without a settlement journal'
  FROM margin_fill l WHERE (l.settled_at IS NULL) <> (l.settlement_journal_id IS NULL)
UNION ALL
SELECT 'fill ' || l.id, format('%s sold and %s booked', l.quantity, coalesce(b.units, 0))
  FROM margin_fill l
  LEFT JOIN LATERAL (
       SELECT sum(e.amount_atoms) / 10::numeric ^ max(s.scale) AS units
         FROM ledger_entry e
         JOIN ledger_account c ON c.id = e.account_id AND c.role = 'client_in_sale'
         JOIN ledger_asset s ON s.id = c.asset_id
        WHERE e.journal_id = l.trade_journal_id) b ON true
 WHERE b.units IS DISTINCT FROM l.quantity
