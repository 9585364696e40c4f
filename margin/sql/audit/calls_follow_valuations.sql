-- A call demands the deficiency of the valuation it names, of its own facility.
SELECT 'margin call ' || m.id, format('%s called on a deficiency of %s', m.amount, v.deficiency)
  FROM margin_margincall m JOIN margin_valuation v ON v.id = m.valuation_id
 WHERE m.amount <> v.deficiency OR m.facility_id <> v.facility_id
