-- A journal has the entries it says it has, in places 1, 2, 3, and none is without.
SELECT 'journal ' || j.id,
       CASE WHEN j.entry_count IS DISTINCT FROM e.entries
            THEN format('says %s entries and has %s', j.entry_count, coalesce(e.entries, 0))
            ELSE format('its entries stand in places %s to %s', e.low, e.high) END
  FROM ledger_journal j
  LEFT JOIN (SELECT journal_id, count(*) AS entries, min(position) AS low, max(position) AS high
               FROM ledger_entry GROUP BY journal_id) e ON e.journal_id = j.id
 WHERE j.entry_count IS DISTINCT FROM e.entries OR e.low <> 1 OR e.high <> e.entries
