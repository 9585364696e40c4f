-- What is owed to the clearing house is what open instructions have yet to deliver. Where a split or a bonus came between
-- trade and delivery the book counts in new shares and the instruction in old ones, and the ledger proves the action.
WITH owed AS (
    SELECT r.book_id, g.asset_id, sum(i.quantity - i.settled_quantity) AS units,
           min((l.traded_at AT TIME ZONE 'Asia/Hong_Kong')::date) AS first_traded_on
      FROM margin_settlementinstruction i
      JOIN margin_fill l ON l.id = i.fill_id
      JOIN margin_saleorder o ON o.id = l.order_id
      JOIN margin_saleleg g ON g.id = o.leg_id
      JOIN margin_forcedsale f ON f.id = g.sale_id
      JOIN margin_margincall m ON m.id = f.call_id
      JOIN margin_facility y ON y.id = m.facility_id
      JOIN margin_client k ON k.id = y.client_id
      JOIN margin_broker r ON r.id = k.broker_id
     WHERE i.status <> 'settled'
     GROUP BY r.book_id, g.asset_id
), booked AS (
    SELECT c.book_id, c.asset_id, -sum(b.net_atoms) / 10::numeric ^ s.scale AS units
      FROM ledger_balance b
      JOIN ledger_account c ON c.id = b.account_id AND c.role = 'unsettled_payable' AND c.owner = ''
      JOIN ledger_asset s ON s.id = c.asset_id
     GROUP BY c.book_id, c.asset_id, s.scale
)
SELECT format('book %s asset %s', k.code, s.code),
       format('%s units owed to the clearing house and %s in open instructions', coalesce(b.units, 0), coalesce(o.units, 0))
  FROM booked b FULL JOIN owed o ON (o.book_id, o.asset_id) = (b.book_id, b.asset_id)
  JOIN ledger_book k ON k.id = coalesce(b.book_id, o.book_id)
  JOIN ledger_asset s ON s.id = coalesce(b.asset_id, o.asset_id)
 WHERE coalesce(b.units, 0) <> coalesce(o.units, 0)
   AND NOT EXISTS (
       SELECT 1
         FROM ledger_entitlement t
         JOIN ledger_account c ON c.id = t.account_id AND c.role = 'unsettled_payable' AND c.owner = ''
         JOIN ledger_corporateaction a ON a.id = t.action_id
        WHERE c.book_id = k.id AND s.id IN (a.asset_id, a.other_asset_id)
          AND a.ex_on > coalesce(o.first_traded_on, '-infinity'))
