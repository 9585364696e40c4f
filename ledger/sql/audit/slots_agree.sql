SELECT 'account ' || min(c.id), 'is frozen or closed in some of its slots and not in all'
  FROM ledger_account c
 WHERE ledger_lies_in_slots(c.role)
 GROUP BY c.book_id, c.owner, c.role, c.asset_id, c.location_id
HAVING count(DISTINCT c."freeze") > 1
    OR count(DISTINCT c.closed_at) + max((c.closed_at IS NULL)::integer) > 1
