-- What the clearing house owes is the gross of unsettled fills less the parts that settled; what clients await is their
-- net. What a custodian owes by a corporate action names its place, and is proved by the ledger.
WITH awaited AS (
    SELECT r.book_id, sum(l.gross - coalesce(i.settled_money, 0)) AS gross, sum(l.net - coalesce(i.settled_net, 0)) AS net
      FROM margin_fill l
      LEFT JOIN margin_settlementinstruction i ON i.fill_id = l.id
      JOIN margin_saleorder o ON o.id = l.order_id
      JOIN margin_saleleg g ON g.id = o.leg_id
      JOIN margin_forcedsale f ON f.id = g.sale_id
      JOIN margin_margincall m ON m.id = f.call_id
      JOIN margin_facility y ON y.id = m.facility_id
      JOIN margin_client k ON k.id = y.client_id
      JOIN margin_broker r ON r.id = k.broker_id
     WHERE l.settled_at IS NULL
     GROUP BY r.book_id
), booked AS (
    SELECT c.book_id,
           coalesce(sum(b.net_atoms) FILTER (WHERE c.role = 'unsettled_receivable'), 0) / 100 AS gross,
           coalesce(-sum(b.net_atoms) FILTER (WHERE c.role = 'client_proceeds'), 0) / 100 AS net
      FROM ledger_balance b JOIN ledger_account c ON c.id = b.account_id
     WHERE c.role = 'client_proceeds' OR (c.role = 'unsettled_receivable' AND c.location_id IS NULL)
     GROUP BY c.book_id
)
SELECT 'book ' || k.code,
       format('%s receivable and %s owed to clients booked, fills await %s and %s',
              coalesce(b.gross, 0), coalesce(b.net, 0), coalesce(a.gross, 0), coalesce(a.net, 0))
  FROM booked b FULL JOIN awaited a ON a.book_id = b.book_id
  JOIN ledger_book k ON k.id = coalesce(a.book_id, b.book_id)
 WHERE (coalesce(b.gross, 0), coalesce(b.net, 0)) IS DISTINCT FROM (coalesce(a.gross, 0), coalesce(a.net, 0))
