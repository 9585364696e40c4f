-- The stock record: what is owed at a place is what is held there, per book and asset.
SELECT format('%s %s at %s', k.code, s.code, coalesce(l.code, 'any location')),
       format('%s atoms held and %s owed',
              coalesce(sum(b.net_atoms) FILTER (WHERE b.net_atoms > 0), 0),
              coalesce(-sum(b.net_atoms) FILTER (WHERE b.net_atoms < 0), 0))
  FROM ledger_balance b
  JOIN ledger_account c ON c.id = b.account_id
  JOIN ledger_book k ON k.id = c.book_id
  JOIN ledger_asset s ON s.id = c.asset_id
  LEFT JOIN ledger_location l ON l.id = c.location_id AND s.is_located
 GROUP BY k.code, s.code, l.code
HAVING sum(b.net_atoms) <> 0
