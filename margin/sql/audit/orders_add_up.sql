-- An order's filled quantity is the sum of its fills, within its leg, under a plan that was released.
SELECT 'order ' || o.client_order_id, format('%s filled and %s in fills', o.filled_quantity, coalesce(sum(l.quantity), 0))
  FROM margin_saleorder o LEFT JOIN margin_fill l ON l.order_id = o.id
 GROUP BY o.id
HAVING o.filled_quantity <> coalesce(sum(l.quantity), 0)
UNION ALL
SELECT 'sale ' || f.id, format('asset %s: %s ordered beyond the %s released', g.asset_id,
                               sum(CASE WHEN o.status IN ('filled', 'cancelled', 'rejected') THEN o.filled_quantity
                                        ELSE o.quantity END), g.quantity)
  FROM margin_forcedsale f
  JOIN margin_saleleg g ON g.sale_id = f.id
  JOIN margin_saleorder o ON o.leg_id = g.id
 GROUP BY f.id, g.id
HAVING sum(CASE WHEN o.status IN ('filled', 'cancelled', 'rejected') THEN o.filled_quantity
                ELSE o.quantity END) > g.quantity
UNION ALL
SELECT 'sale ' || f.id, 'has orders and was never released'
  FROM margin_forcedsale f
 WHERE f.approved_hash = '' AND EXISTS (
       SELECT 1 FROM margin_saleorder o JOIN margin_saleleg g ON g.id = o.leg_id WHERE g.sale_id = f.id)
