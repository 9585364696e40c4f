SELECT 'limit ' || l.id,
       CASE WHEN l.approval <> 'approved' OR l.checker_id IS NULL OR l.checker_id = l.maker_id
            THEN 'is in force without the approval of a second person'
            WHEN ledger_lies_in_slots(c.role) THEN 'is of an account that lies in slots'
            ELSE 'came in force before its day' END
  FROM ledger_accountlimit l
  JOIN ledger_account c ON c.id = l.account_id
 WHERE l.applied_at IS NOT NULL
   AND (l.approval <> 'approved' OR l.checker_id IS NULL OR l.checker_id = l.maker_id OR ledger_lies_in_slots(c.role)
        OR (l.applied_at AT TIME ZONE 'Asia/Hong_Kong')::date < l.effective_on)
