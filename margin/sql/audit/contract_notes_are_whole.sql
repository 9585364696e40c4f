-- Contract notes are numbered without a gap, hold what their hashes say, and add up to the trades they tell of.
SELECT format('contract note %s-%s/%s', n.year, n.number, n.version), 'holds other words or another paper than was issued'
  FROM margin_contractnote n
 WHERE n.content_hash <> encode(sha256(convert_to(n.content, 'UTF8')), 'hex')
    OR n.document_hash <> encode(sha256(n.document), 'hex')
UNION ALL
SELECT format('contract note %s-%s/%s', n.year, n.number, n.version),
       format('says %s for %s net, its trades %s for %s', n.quantity, n.net, coalesce(t.quantity, 0), coalesce(t.net, 0))
  FROM margin_contractnote n
  LEFT JOIN LATERAL (
       SELECT sum(l.quantity) AS quantity, sum(l.gross) AS gross, sum(l.fees_total) AS fees, sum(l.net) AS net
         FROM margin_contractnotetrade r JOIN margin_fill l ON l.id = r.fill_id WHERE r.note_id = n.id) t ON true
 WHERE (n.quantity, n.gross, n.fees_total, n.net) IS DISTINCT FROM (t.quantity, t.gross, t.fees, t.net)
UNION ALL
SELECT format('firm %s year %s', b.code, n.year), format('%s contract notes up to number %s', count(*), max(n.number))
  FROM margin_contractnote n JOIN margin_broker b ON b.id = n.broker_id
 WHERE n.version = 1
 GROUP BY b.code, n.year
HAVING count(*) <> max(n.number)
