-- What a stress test says of the firm is the sum of what it says of each account, and every account is in every scenario.
WITH summed AS (
    SELECT run_id, scenario_id, count(*) AS accounts,
           count(*) FILTER (WHERE level IN ('call', 'immediate')) AS calls,
           count(*) FILTER (WHERE level = 'immediate') AS immediates,
           count(*) FILTER (WHERE loss > 0) AS losers,
           sum(loan) AS loan, sum(market_value) AS market_value, sum(margin_value) AS margin_value,
           sum(deficiency) AS deficiency, sum(loss) AS loss
      FROM margin_stressresult GROUP BY run_id, scenario_id
)
SELECT 'stress test ' || coalesce(t.run_id, s.run_id),
       format('scenario %s: %s lost by %s accounts stored, %s by %s in the rows',
              coalesce(t.scenario_id, s.scenario_id, 0), t.loss, t.losers, s.loss, s.losers)
  FROM margin_stresstotal t
  FULL JOIN summed s ON s.run_id = t.run_id AND coalesce(s.scenario_id, 0) = coalesce(t.scenario_id, 0)
  LEFT JOIN margin_stressrun r ON r.id = coalesce(t.run_id, s.run_id)
 WHERE t.id IS NULL
    OR (t.calls, t.immediates, t.losers, t.loan, t.market_value, t.margin_value, t.deficiency, t.loss, r.account_count)
       IS DISTINCT FROM
       (coalesce(s.calls, 0), coalesce(s.immediates, 0), coalesce(s.losers, 0), coalesce(s.loan, 0),
        coalesce(s.market_value, 0), coalesce(s.margin_value, 0), coalesce(s.deficiency, 0), coalesce(s.loss, 0),
        coalesce(s.accounts, 0))
UNION ALL
SELECT 'stress test ' || r.id, format('%s scenarios run of %s', count(t.id), n.scenarios)
  FROM margin_stressrun r
  JOIN LATERAL (SELECT count(*) + 1 AS scenarios FROM margin_stressscenario x
                 WHERE x.parent_id = r.scenario_set_id) n ON true
  LEFT JOIN margin_stresstotal t ON t.run_id = r.id
 GROUP BY r.id, n.scenarios
HAVING count(t.id) <> n.scenarios
