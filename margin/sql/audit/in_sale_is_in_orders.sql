-- What a client has in sale is what is left of their live orders.
SELECT format('client %s asset %s', coalesce(b.owner, o.owner), coalesce(b.code, o.code)),
       format('%s units in sale and %s in live orders', coalesce(b.units, 0), coalesce(o.units, 0))
  FROM (SELECT c.book_id, c.owner, s.code, -sum(b.net_atoms) / 10::numeric ^ s.scale AS units
          FROM ledger_balance b
          JOIN ledger_account c ON c.id = b.account_id AND c.role = 'client_in_sale'
          JOIN ledger_asset s ON s.id = c.asset_id
         GROUP BY c.book_id, c.owner, s.code, s.scale) b
  FULL JOIN
       (SELECT r.book_id, k.number AS owner, s.code, sum(o.quantity - o.filled_quantity) AS units
          FROM margin_saleorder o
          JOIN margin_saleleg g ON g.id = o.leg_id
          JOIN ledger_asset s ON s.id = g.asset_id
          JOIN margin_forcedsale f ON f.id = g.sale_id
          JOIN margin_margincall m ON m.id = f.call_id
          JOIN margin_facility y ON y.id = m.facility_id
          JOIN margin_client k ON k.id = y.client_id
          JOIN margin_broker r ON r.id = k.broker_id
         WHERE o.status NOT IN ('filled', 'cancelled', 'rejected')
         GROUP BY r.book_id, k.number, s.code) o
    ON (o.book_id, o.owner, o.code) = (b.book_id, b.owner, b.code)
 WHERE coalesce(b.units, 0) <> coalesce(o.units, 0)
