-- What lies somewhere is booked at a place, and the law groups it by that place. Only house accounts lie in slots.
SELECT 'account ' || c.id,
       CASE WHEN s.is_located AND c.location_id IS NULL THEN format('holds %s and names no location', s.code)
            WHEN c.slot <> 0 AND c.role NOT IN ('nostro', 'house_capital', 'suspense')
            THEN format('lies in slot %s, which a %s has not', c.slot, c.role)
            ELSE format('holds %s at %s and its law looks at %s', s.code, coalesce(l.code, 'no location'),
                        coalesce(o.code, 'no location')) END
  FROM ledger_account c
  JOIN ledger_asset s ON s.id = c.asset_id
  LEFT JOIN ledger_location l ON l.id = c.location_id AND s.is_located
  LEFT JOIN ledger_location o ON o.id = c.stock_location_id
 WHERE (s.is_located AND c.location_id IS NULL)
    OR c.stock_location_id IS DISTINCT FROM CASE WHEN s.is_located THEN c.location_id END
    OR (c.slot <> 0 AND c.role NOT IN ('nostro', 'house_capital', 'suspense'))
