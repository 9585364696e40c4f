-- What was written down by account makes the figures of its closing, whose hash is over every account. A closing of before
-- such balances were kept has none, and the next one then read everything.
SELECT 'change of periods ' || c.id,
       format('was closed through %s with balances by account that do not make its figures in %s', c.through, coalesce((
           SELECT string_agg(key, ', ' ORDER BY key)
             FROM jsonb_each(c.figures) o FULL JOIN jsonb_each(c.made) n USING (key)
            WHERE o.value IS DISTINCT FROM n.value), 'every asset'))
  FROM (SELECT p.id, p.through, p.figures, ledger_period_figures(p.id) AS made FROM ledger_periodchange p
         WHERE EXISTS (SELECT FROM ledger_period_balance b WHERE b.change_id = p.id)) c
 WHERE c.figures IS DISTINCT FROM c.made
 UNION ALL
SELECT 'change of periods ' || b.change_id, 'has balances by account and is none that is there'
  FROM (SELECT DISTINCT change_id FROM ledger_period_balance) b
 WHERE NOT EXISTS (SELECT FROM ledger_periodchange p WHERE p.id = b.change_id)
