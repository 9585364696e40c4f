WITH closings AS MATERIALIZED (
    SELECT p.* FROM ledger_periodchange p WHERE ledger_period_stands(p)
), present AS MATERIALIZED (
    SELECT b.book_id, t.through, t.figures
      FROM (SELECT book_id, array_agg(through) AS days FROM closings GROUP BY book_id) b
     CROSS JOIN LATERAL ledger_trial_balances(b.book_id, b.days) t
)
SELECT 'change of periods ' || c.id,
       format('closed through %s, but what was booked up to then has changed since in %s', c.through, coalesce((
           SELECT string_agg(key, ', ' ORDER BY key)
             FROM jsonb_each(c.figures) o FULL JOIN jsonb_each(p.figures) n USING (key)
            WHERE o.value IS DISTINCT FROM n.value), 'every asset'))
  FROM closings c
  LEFT JOIN present p ON p.book_id = c.book_id AND p.through = c.through
 WHERE c.figures IS DISTINCT FROM p.figures
