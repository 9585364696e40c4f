-- No balance stands outside its floor and ceiling, with what is held of it.
SELECT 'account ' || account_id,
       format('stands at %s atoms, bounds are %s to %s', net_atoms,
              coalesce(floor_atoms::text, 'none'), coalesce(ceiling_atoms::text, 'none'))
  FROM ledger_balance
 WHERE net_atoms - held_credit_atoms < floor_atoms OR net_atoms + held_debit_atoms > ceiling_atoms
