-- What is kept of a refusal can be told again: the law that refused, and its words.
SELECT format('key %s %s', b.code, k.key), 'its refusal cannot be told'
  FROM ledger_key k JOIN ledger_book b ON b.id = k.book_id
 WHERE k.refusal IS NOT NULL
   AND NOT (k.refusal ?& ARRAY['state', 'rule', 'message', 'detail'] AND k.refusal->>'state' ~ '^(LB|2)[0-9]{3}')
