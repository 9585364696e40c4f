-- No two accounts share a key, and no two journals of a book share an idempotency key.
SELECT 'account ' || min(id), 'has the same key as accounts ' || string_agg(id::text, ', ' ORDER BY id)
  FROM ledger_account GROUP BY book_id, owner, role, asset_id, location_id HAVING count(*) > 1
 UNION ALL
SELECT 'journal ' || min(id::text), format('key %s made %s journals', idempotency_key, count(*))
  FROM ledger_journal GROUP BY book_id, idempotency_key HAVING count(*) > 1
