-- Every state a call is in was told in the audit trail, by the last event that moved it.
SELECT 'margin call ' || m.id, format('stands at %s, told was %s', m.status, coalesce(e.after, 'nothing'))
  FROM margin_margincall m
  LEFT JOIN LATERAL (
      SELECT payload ->> 'after' AS after FROM core_event
       WHERE subject_type = 'margin.margincall' AND subject_id = m.id::text AND payload ? 'after'
       ORDER BY id DESC LIMIT 1) e ON true
 WHERE e.after IS DISTINCT FROM m.status AND NOT (e.after IS NULL AND m.status = 'issued')
