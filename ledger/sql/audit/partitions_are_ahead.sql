-- The next month is there before it begins, for without its month nothing is booked.
SELECT 'table ' || parent, format('has no partition for %s: run the job ledger.tasks.make_partitions, or manage.py migrate',
                                  to_char(month, 'YYYY-MM'))
  FROM (VALUES ('ledger_journal'), ('ledger_entry')) AS p(parent)
 CROSS JOIN (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') + m * interval '1 month' AS month
               FROM generate_series(0, 1) AS m) ahead
 WHERE to_regclass(parent || to_char(month, '"_y"YYYY"m"MM')) IS NULL
 ORDER BY parent DESC, month
