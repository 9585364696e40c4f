-- Every journal is told of by exactly one event of its own commit, and no event tells of a journal that is not.
SELECT 'journal ' || coalesce(j.id::text, e.subject_id),
       CASE WHEN j.id IS NULL THEN 'an event tells of it and it does not exist'
            WHEN e.events IS NULL THEN 'no event tells of it'
            WHEN e.events > 1 THEN format('%s events tell of it', e.events)
            ELSE 'its event was written by another transaction' END
  FROM ledger_journal j
  FULL JOIN (SELECT subject_id, count(*) AS events, min(transaction::text) AS transaction
               FROM core_event WHERE topic = 'ledger.journal.posted' GROUP BY subject_id) e
    ON e.subject_id = j.id::text
 WHERE j.id IS NULL OR e.events IS DISTINCT FROM 1 OR e.transaction <> j.transaction::text
