-- What lies somewhere is booked at a place.
SELECT 'account ' || c.id, format('holds %s and names no location', s.code)
  FROM ledger_account c
  JOIN ledger_asset s ON s.id = c.asset_id
 WHERE s.is_located AND c.location_id IS NULL
