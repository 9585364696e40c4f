SELECT 'account ' || b.account_id,
       format('is bounded by %s and %s; its %s makes %s and %s', coalesce(b.floor_atoms::text, 'nothing'),
              coalesce(b.ceiling_atoms::text, 'nothing'), coalesce('limit ' || l.id, 'role'),
              coalesce(n.floor::text, 'nothing'), coalesce(n.ceiling::text, 'nothing'))
  FROM ledger_balance b
  JOIN ledger_account c ON c.id = b.account_id
  LEFT JOIN LATERAL (
      SELECT * FROM ledger_accountlimit l WHERE l.account_id = b.account_id AND l.applied_at IS NOT NULL
       ORDER BY l.effective_on DESC, l.id DESC LIMIT 1) l ON true
 CROSS JOIN LATERAL (
      SELECT * FROM ledger_bounds(c.role, l.floor_atoms, l.ceiling_atoms) WHERE l.id IS NOT NULL
       UNION ALL SELECT * FROM ledger_bounds_of_role(c.role) WHERE l.id IS NULL) n
 WHERE b.floor_atoms IS DISTINCT FROM n.floor
    OR b.ceiling_atoms IS DISTINCT FROM n.ceiling
    OR b.limit_id IS DISTINCT FROM l.id
