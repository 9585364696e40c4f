-- An instruction says what its reports say, each report booked what it says, and a trade is settled with its instruction.
SELECT 'instruction ' || i.reference,
       format('%s for %s settled and %s for %s reported', i.settled_quantity, i.settled_money,
              coalesce(sum(r.quantity), 0), coalesce(sum(r.money), 0))
  FROM margin_settlementinstruction i LEFT JOIN margin_settlementreport r ON r.instruction_id = i.id
 GROUP BY i.id
HAVING (i.settled_quantity, i.settled_money, i.settled_net)
       IS DISTINCT FROM (coalesce(sum(r.quantity), 0), coalesce(sum(r.money), 0), coalesce(sum(r.net), 0))
UNION ALL
SELECT 'settlement report ' || r.id,
       format('%s for %s reported and %s for %s booked', r.delivered, r.money, coalesce(b.units, 0), coalesce(b.money, 0))
  FROM margin_settlementreport r
  LEFT JOIN LATERAL (
       SELECT -sum(e.amount_atoms) FILTER (WHERE c.role = 'custody') / 10::numeric ^ max(s.scale)
              FILTER (WHERE c.role = 'custody') AS units,
              sum(e.amount_atoms) FILTER (WHERE c.role = 'nostro') / 100 AS money
         FROM ledger_entry e
         JOIN ledger_account c ON c.id = e.account_id
         JOIN ledger_asset s ON s.id = c.asset_id
        WHERE e.journal_id = r.journal_id) b ON true
 WHERE (r.delivered, r.money) IS DISTINCT FROM (coalesce(b.units, 0), coalesce(b.money, 0))
UNION ALL
SELECT 'fill ' || l.id, 'unsettled without an open instruction, or settled with one'
  FROM margin_fill l LEFT JOIN margin_settlementinstruction i ON i.fill_id = l.id
 WHERE (l.settled_at IS NULL) IS DISTINCT FROM (coalesce(i.status, 'settled') <> 'settled')
