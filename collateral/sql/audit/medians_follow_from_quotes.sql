-- The price of the feeds is the median of the bids it names, the mean of two middle ones rounded down.
SELECT 'price ' || p.id, 'it is ' || p.price || ', and its quotes say ' || coalesce((middle.twice / 2)::text, 'nothing')
  FROM collateral_price p
  LEFT JOIN LATERAL (
       SELECT min(bid) + max(bid) AS twice
         FROM (SELECT q.bid, row_number() OVER (ORDER BY q.bid) AS place, count(*) OVER () AS quotes
                 FROM collateral_pricecomponent c JOIN collateral_sourcequote q ON q.id = c.quote_id
                WHERE c.price_id = p.id) ranked
        WHERE place IN ((quotes + 1) / 2, quotes / 2 + 1)) middle ON true
 WHERE p.source = 'median' AND p.adjustment_id IS NULL
   AND (middle.twice IS NULL OR 2 * p.price > middle.twice OR 2 * (p.price + 1e-18) <= middle.twice)
