-- Accounts are opened here, each with its balance and the bounds of its role, so that whoever may post needs no right on
-- the tables and cannot open an account that may go where its role may not.

CREATE OR REPLACE FUNCTION ledger_is_role(p_role text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_role IN ('client_cash', 'client_collateral', 'client_in_sale', 'client_proceeds', 'loan_principal',
                      'interest_receivable', 'shortfall_receivable', 'custody', 'nostro', 'unsettled_receivable',
                      'unsettled_payable', 'charges_payable', 'venue_fee_payable', 'fee_income', 'interest_income',
                      'house_capital', 'suspense', 'write_off', 'settlement_cost', 'provision', 'provision_expense')
$$;

-- Open the accounts that are not there yet; whoever comes second finds them. In the order of their keys, so that two who
-- open the same ones wait for one another and never deadlock.
CREATE OR REPLACE FUNCTION ledger_open_accounts(
    p_book bigint, p_owners text[], p_roles text[], p_assets text[], p_locations text[], p_slots smallint[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    unknown record;
BEGIN
    SELECT k.* INTO unknown
      FROM unnest(p_owners, p_roles, p_assets, p_locations, p_slots) AS k(owner, role, asset, location, slot)
     WHERE NOT ledger_is_role(k.role)
        OR NOT EXISTS (SELECT FROM ledger_asset s WHERE s.code = k.asset)
        OR (k.location <> '' AND NOT EXISTS (SELECT FROM ledger_location l WHERE l.code = k.location))
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'no account of role %, asset % at location % can be opened', unknown.role, unknown.asset,
            unknown.location USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO ledger_account (book_id, owner, role, asset_id, location_id, slot, "freeze")
    SELECT p_book, k.owner, k.role, s.id, l.id, k.slot, 'none'
      FROM unnest(p_owners, p_roles, p_assets, p_locations, p_slots) AS k(owner, role, asset, location, slot)
      JOIN ledger_asset s ON s.code = k.asset
      LEFT JOIN ledger_location l ON l.code = k.location
     ORDER BY k.owner, k.role, k.asset, k.location, k.slot
    ON CONFLICT DO NOTHING;
    INSERT INTO ledger_balance (account_id, floor_atoms, ceiling_atoms)
    SELECT a.id, b.floor, b.ceiling
      FROM unnest(p_owners, p_roles, p_assets, p_locations, p_slots) AS k(owner, role, asset, location, slot)
      JOIN ledger_asset s ON s.code = k.asset
      LEFT JOIN ledger_location l ON l.code = k.location
      JOIN ledger_account a ON a.book_id = p_book AND a.owner = k.owner AND a.role = k.role AND a.asset_id = s.id
       AND a.location_id IS NOT DISTINCT FROM l.id AND a.slot = k.slot
     CROSS JOIN ledger_bounds_of_role(k.role) b
     ORDER BY a.id
    ON CONFLICT DO NOTHING;
END $$;

-- reverse --
DROP FUNCTION ledger_open_accounts(bigint, text[], text[], text[], text[], smallint[]);
DROP FUNCTION ledger_is_role(text);
