-- What firm-wide caps were held against is the sum of the lines before any cap.
SELECT 'valuation run ' || coalesce(t.run_id, l.run_id), 'total of an asset is not the sum of its lines'
  FROM (SELECT run_id, asset_id, margin_value FROM margin_valuationruntotal) t
  FULL JOIN (SELECT v.run_id, vl.asset_id, sum(coalesce(vl.uncapped_margin_value, vl.margin_value)) AS margin_value
               FROM margin_valuationline vl JOIN margin_valuation v ON v.id = vl.valuation_id
              WHERE EXISTS (SELECT 1 FROM margin_valuationruntotal x WHERE x.run_id = v.run_id)
              GROUP BY v.run_id, vl.asset_id) l
    ON l.run_id = t.run_id AND l.asset_id = t.asset_id
 WHERE t.margin_value IS DISTINCT FROM l.margin_value
