-- A journal has the entries it says it has, and none is without.
SELECT 'journal ' || j.id, format('says %s entries and has %s', j.entry_count, coalesce(e.entries, 0))
  FROM ledger_journal j
  LEFT JOIN (SELECT journal_id, count(*) AS entries FROM ledger_entry GROUP BY journal_id) e ON e.journal_id = j.id
 WHERE j.entry_count IS DISTINCT FROM e.entries
