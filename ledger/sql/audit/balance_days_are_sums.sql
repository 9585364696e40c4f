-- What a block added to an account at a value date is what its entries say, and the totals run on from block to block.
SELECT 'account ' || account_id,
       format('block %s, value date %s: %s', block, value_on,
              CASE WHEN is_missing THEN format('entries make %s atoms and nothing says so', delta)
                   WHEN delta IS NULL THEN 'no entry makes it'
                   WHEN is_other THEN format('says %s atoms of %s entries; the entries make %s of %s', said_delta, said_entries,
                                             delta, entries)
                   ELSE 'its totals do not run on from the block before' END)
  FROM (SELECT coalesce(d.account_id, e.account_id) AS account_id, coalesce(d.block, e.block) AS block,
               coalesce(d.value_on, e.value_on) AS value_on, d.account_id IS NULL AS is_missing,
               d.delta_atoms AS said_delta, d.entry_count AS said_entries, e.delta, e.entries,
               (d.delta_atoms, d.entry_count, d.first_version, d.last_version)
               IS DISTINCT FROM (e.delta::atoms, e.entries, e.first_version, e.last_version) AS is_other,
               d.total_atoms <> d.total OR d.known_entries <> d.known AS is_off
          FROM (SELECT d.*, sum(d.delta_atoms) OVER (PARTITION BY d.account_id, d.value_on ORDER BY d.block) AS total,
                       sum(d.entry_count) OVER (PARTITION BY d.account_id ORDER BY d.block) AS known
                  FROM ledger_balance_day d) d
          FULL JOIN (SELECT e.account_id, j.value_on, j.block, sum(e.amount_atoms) AS delta, count(*) AS entries,
                            min(e.version) AS first_version, max(e.version) AS last_version
                       FROM (SELECT j.id, j.value_on, b.number AS block FROM ledger_journal j
                              CROSS JOIN LATERAL (SELECT k.number FROM ledger_block k
                                                   WHERE k.book_id = j.book_id AND k.to_transaction > j.transaction
                                                     AND k.from_transaction <= j.transaction
                                                   ORDER BY k.to_transaction LIMIT 1) b) j
                       JOIN ledger_entry e ON e.journal_id = j.id
                      GROUP BY e.account_id, j.value_on, j.block) e
            ON e.account_id = d.account_id AND e.value_on = d.value_on AND e.block = d.block) r
 WHERE is_missing OR is_other OR is_off
 ORDER BY account_id, block, value_on
