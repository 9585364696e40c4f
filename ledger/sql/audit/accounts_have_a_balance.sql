-- Every account has a balance, every balance an account.
SELECT 'account ' || coalesce(c.id, b.account_id),
       CASE WHEN c.id IS NULL THEN 'a balance stands without it' ELSE 'it has no balance' END
  FROM ledger_account c
  FULL JOIN ledger_balance b ON b.account_id = c.id
 WHERE c.id IS NULL OR b.account_id IS NULL
