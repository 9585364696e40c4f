SELECT 'book ' || b.code,
       format('is closed through %s where change %s says %s', coalesce(b.closed_through::text, 'no day'),
              coalesce(p.number::text, 'none'), coalesce(p.through::text, 'no day'))
  FROM ledger_book b
  LEFT JOIN LATERAL (SELECT * FROM ledger_periodchange p WHERE p.book_id = b.id AND p.number IS NOT NULL
                      ORDER BY p.number DESC LIMIT 1) p ON true
 WHERE b.closed_through IS DISTINCT FROM p.through
 UNION ALL
SELECT 'change of periods ' || p.id,
       format('is number %s and goes from %s to %s, after one to %s, approved by %s', p.number,
              coalesce(p.closed_before::text, 'no day'), coalesce(p.through::text, 'no day'),
              coalesce(p.through_before::text, 'no day'), coalesce('person ' || p.checker_id, 'nobody'))
  FROM (SELECT p.*, lag(p.through) OVER following AS through_before, row_number() OVER following AS n
          FROM ledger_periodchange p WHERE p.number IS NOT NULL
        WINDOW following AS (PARTITION BY p.book_id ORDER BY p.number)) p
 WHERE p.n <> p.number
    OR p.closed_before IS DISTINCT FROM p.through_before
    OR p.approval <> 'approved' OR p.checker_id IS NULL OR p.checker_id = p.maker_id
    OR NOT CASE p.kind WHEN 'close' THEN p.through > coalesce(p.closed_before, '-infinity')
                       ELSE coalesce(p.through, '-infinity') < p.closed_before END
