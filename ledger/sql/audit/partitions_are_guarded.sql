-- Each month has the triggers of its parent, switched on, and keeps versions of an account single.
SELECT 'table ' || p.name, format('%s is missing or switched off', t.tgname)
  FROM (SELECT inhrelid, inhparent, inhrelid::regclass::text AS name FROM pg_inherits
         WHERE inhparent IN ('ledger_journal'::regclass, 'ledger_entry'::regclass)) p
  JOIN pg_trigger t ON t.tgrelid = p.inhparent AND NOT t.tgisinternal
 WHERE NOT EXISTS (SELECT FROM pg_trigger o WHERE o.tgrelid = p.inhrelid AND o.tgname = t.tgname
                      AND o.tgfoid = t.tgfoid AND o.tgtype = t.tgtype AND o.tgenabled IN ('O', 'A'))
 UNION ALL
SELECT 'table ' || p.inhrelid::regclass, 'versions of an account are not kept single'
  FROM pg_inherits p
 WHERE p.inhparent = 'ledger_entry'::regclass
   AND NOT EXISTS (SELECT FROM pg_index i
                    WHERE i.indrelid = p.inhrelid AND i.indisunique AND i.indisvalid
                      AND (SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_attribute a
                            WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)) = ARRAY['account_id', 'version'])
