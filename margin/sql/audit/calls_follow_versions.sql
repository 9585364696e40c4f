-- A call demands what its last version says, and its versions count from one without a gap.
SELECT 'margin call ' || m.id, format('stands at version %s of %s', m.version, coalesce(v.kept, 0))
  FROM margin_margincall m
  LEFT JOIN (SELECT call_id, count(*) AS kept, max(number) AS last FROM margin_margincallversion GROUP BY call_id) v
    ON v.call_id = m.id
  LEFT JOIN margin_margincallversion l ON l.call_id = m.id AND l.number = m.version
 WHERE v.kept IS DISTINCT FROM v.last OR m.version IS DISTINCT FROM v.last
    OR (l.valuation_id, l.amount, l.amount_currency, l.due_at)
       IS DISTINCT FROM (m.valuation_id, m.amount, m.amount_currency, m.due_at)
