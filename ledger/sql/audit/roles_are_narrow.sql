-- Where the roles stand (roles.sql), nobody who was given one can write the books but by the posting functions. Superusers
-- and the owner of the tables can, and are known for it.
WITH given AS (
    SELECT r.oid, r.rolname FROM pg_roles r
     WHERE NOT r.rolsuper
       AND EXISTS (SELECT FROM pg_roles g
                    WHERE g.rolname IN ('lombard_poster', 'lombard_reader', 'lombard_sealer', 'lombard_application')
                      AND pg_has_role(r.oid, g.oid, 'USAGE'))
)
SELECT 'role ' || g.rolname, format('may %s on %s', p.privilege, c.relname)
  FROM given g
 CROSS JOIN pg_class c
 CROSS JOIN (VALUES ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE'), ('TRIGGER')) AS p(privilege)
 WHERE (c.oid IN ('ledger_journal'::regclass, 'ledger_entry'::regclass, 'ledger_key'::regclass, 'ledger_balance'::regclass,
                   'ledger_block'::regclass, 'ledger_block_leaves'::regclass, 'ledger_balance_day'::regclass)
        OR c.oid IN (SELECT inhrelid FROM pg_inherits
                      WHERE inhparent IN ('ledger_journal'::regclass, 'ledger_entry'::regclass)))
   AND has_table_privilege(g.oid, c.oid, p.privilege)
 UNION ALL
SELECT 'role ' || g.rolname, format('may write %s of ledger_balance', a.attname)
  FROM given g
 CROSS JOIN pg_attribute a
 WHERE a.attrelid = 'ledger_balance'::regclass AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attname NOT IN ('floor_atoms', 'ceiling_atoms') AND has_column_privilege(g.oid, a.attrelid, a.attnum, 'UPDATE')
   AND NOT has_table_privilege(g.oid, a.attrelid, 'UPDATE')
 ORDER BY 1, 2
