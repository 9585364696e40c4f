-- A valuation's totals are those of its lines, and its deficiency what the loan exceeds the limit by.
SELECT 'valuation ' || v.id, 'totals are not the sums of its lines'
  FROM margin_valuation v
  LEFT JOIN (SELECT valuation_id, sum(market_value) AS market_value, sum(margin_value) AS margin_value
               FROM margin_valuationline GROUP BY valuation_id) l ON l.valuation_id = v.id
 WHERE (v.market_value, v.margin_value)
       IS DISTINCT FROM (coalesce(l.market_value, 0), coalesce(l.margin_value, 0))
UNION ALL
SELECT 'valuation ' || v.id, format('deficiency %s for a loan of %s', v.deficiency, v.loan)
  FROM margin_valuation v
 WHERE v.loan <> greatest(v.principal + v.interest - v.cash, 0)
    OR v.deficiency <> greatest(v.loan - least(v.margin_value, v.credit_limit), 0)
