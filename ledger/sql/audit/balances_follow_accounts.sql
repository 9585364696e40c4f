-- A balance carries the book, asset, place and freeze of its account.
SELECT 'account ' || b.account_id, 'its balance carries another book, asset, place or freeze'
  FROM ledger_balance b
  JOIN ledger_account c ON c.id = b.account_id
 WHERE (b.book_id, b.asset_id, b.stock_location_id, b.freeze) IS DISTINCT FROM
       (c.book_id, c.asset_id, c.stock_location_id, CASE WHEN c.closed_at IS NULL THEN c.freeze ELSE 'closed' END)
