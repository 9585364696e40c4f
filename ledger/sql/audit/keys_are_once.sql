-- No two accounts share a key, and each journal is what its idempotency key made, and no other's.
SELECT 'account ' || min(id), 'has the same key as accounts ' || string_agg(id::text, ', ' ORDER BY id)
  FROM ledger_account GROUP BY book_id, owner, role, asset_id, location_id, slot HAVING count(*) > 1
 UNION ALL
SELECT 'journal ' || coalesce(j.id, k.journal_id),
       CASE WHEN j.id IS NULL THEN format('key %s made it and it does not exist', k.key)
            ELSE format('key %s did not make it', j.idempotency_key) END
  FROM ledger_journal j
  FULL JOIN (SELECT book_id, key, journal_id FROM ledger_key WHERE journal_id IS NOT NULL) k
    ON k.journal_id = j.id AND k.book_id = j.book_id AND k.key = j.idempotency_key
 WHERE j.id IS NULL OR k.journal_id IS NULL
