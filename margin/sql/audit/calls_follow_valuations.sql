-- A call demands the deficiency of the valuation it names, of its own facility; an amended one also what was brought in.
SELECT 'margin call ' || m.id, format('%s called on a deficiency of %s', m.amount, v.deficiency)
  FROM margin_margincall m JOIN margin_valuation v ON v.id = m.valuation_id
  JOIN LATERAL (
      SELECT bool_or(x.cause = 'issued') AS is_issued, bool_or(x.cause = 'amended') AS is_amended
        FROM margin_margincallversion x WHERE x.call_id = m.id) how ON true
 WHERE m.facility_id <> v.facility_id
    OR (coalesce(how.is_issued, true) AND m.amount < v.deficiency)
    OR (coalesce(how.is_issued, true) AND NOT coalesce(how.is_amended, false) AND m.amount <> v.deficiency)
