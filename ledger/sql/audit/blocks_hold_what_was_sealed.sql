-- Journals and entries are those that were sealed, to the letter, and none was added to or taken from a block since.
WITH run AS MATERIALIZED (
    SELECT coalesce(lag(t) OVER (ORDER BY t), '0'::xid8) AS begins, t AS ends
      FROM (SELECT DISTINCT to_transaction AS t FROM ledger_block) d
), told AS MATERIALIZED (
    SELECT l.*, b.id AS block_id
      FROM run CROSS JOIN LATERAL ledger_leaves(run.begins, run.ends) l
      LEFT JOIN LATERAL (SELECT k.id FROM ledger_block k
                          WHERE k.book_id = l.book_id AND k.to_transaction > l.transaction
                            AND k.from_transaction <= l.transaction
                          ORDER BY k.to_transaction LIMIT 1) b ON true
), found AS MATERIALIZED (
    SELECT b.id, format('block %s of %s', b.number, k.code) AS name, b.merkle_root, b.journal_count, b.entry_count,
           c.journals, c.entries, r.root,
           CASE WHEN s.leaves = c.leaves THEN r.root ELSE ledger_merkle_root(s.leaves) END AS kept_root, s.leaves AS kept
      FROM ledger_block b
      LEFT JOIN ledger_book k ON k.id = b.book_id
      LEFT JOIN (SELECT block_id, count(*) AS journals, sum(entry_count) AS entries,
                        array_agg(leaf ORDER BY transaction, journal_id) AS leaves
                   FROM told GROUP BY block_id) c ON c.block_id = b.id
      LEFT JOIN ledger_block_leaves s ON s.block_id = b.id
      CROSS JOIN LATERAL (SELECT ledger_merkle_root(c.leaves) AS root OFFSET 0) r
)
SELECT f.name,
       CASE WHEN f.kept_root IS DISTINCT FROM f.merkle_root THEN 'the hashes kept of its journals do not lead to its root'
            WHEN (f.journals, f.entries) IS DISTINCT FROM (f.journal_count, f.entry_count)
            THEN format('sealed %s journals of %s entries; the books hold %s of %s', f.journal_count, f.entry_count,
                        coalesce(f.journals, 0), coalesce(f.entries, 0))
            ELSE 'its journals do not lead to its root' END
  FROM found f
 WHERE f.root IS DISTINCT FROM f.merkle_root OR f.kept_root IS DISTINCT FROM f.merkle_root
    OR (f.journals, f.entries) IS DISTINCT FROM (f.journal_count, f.entry_count)
 UNION ALL
SELECT 'journal ' || t.journal_id, 'is not what was sealed in ' || f.name
  FROM found f JOIN told t ON t.block_id = f.id
 WHERE f.root IS DISTINCT FROM f.merkle_root AND t.leaf <> ALL (f.kept)
 UNION ALL
SELECT 'journal ' || t.journal_id, 'is older than the newest seal and lies in no block' FROM told t WHERE t.block_id IS NULL
