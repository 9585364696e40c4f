-- Limits of accounts, and house accounts that lie in slots.
--
--   L16 the bounds of a balance are those of its role, or exactly those of the limit it names: one of its account, approved
--       by a second person, due, and later than the one before. What was proposed is what is decided and comes in force
--   L17 the slots of a house account are frozen and closed together, and take no limits
--
-- Sides are those of `ledger/models/account.py`; a test compares them.

CREATE OR REPLACE FUNCTION ledger_is_debit_normal(p_role text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_role IN ('loan_principal', 'interest_receivable', 'shortfall_receivable', 'custody', 'nostro',
                      'unsettled_receivable', 'write_off', 'settlement_cost', 'provision_expense')
$$;

CREATE OR REPLACE FUNCTION ledger_lies_in_slots(p_role text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_role IN ('nostro', 'house_capital', 'suspense')
$$;

-- The bounds of a balance, debit positive, from those on the normal side of its role.
CREATE OR REPLACE FUNCTION ledger_bounds(p_role text, p_floor numeric, p_ceiling numeric, OUT floor numeric, OUT ceiling numeric)
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN ledger_is_debit_normal(p_role) THEN p_floor ELSE -p_ceiling END,
           CASE WHEN ledger_is_debit_normal(p_role) THEN p_ceiling ELSE -p_floor END
$$;

-- The bounds of an account that has no limit: nothing is owed the wrong way round.
CREATE OR REPLACE FUNCTION ledger_bounds_of_role(p_role text, OUT floor numeric, OUT ceiling numeric)
LANGUAGE sql IMMUTABLE AS $$
    SELECT b.floor, b.ceiling
      FROM ledger_bounds(p_role, CASE WHEN ledger_lies_in_slots(p_role) THEN NULL ELSE 0 END, NULL) b
$$;

CREATE OR REPLACE FUNCTION ledger_accountlimit_begins() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    account record;
BEGIN
    IF NEW.approval <> 'proposed' OR NEW.applied_at IS NOT NULL THEN
        RAISE EXCEPTION 'a limit is proposed before it is approved and comes in force' USING ERRCODE = 'LB017';
    END IF;
    SELECT c.role, s.is_located INTO account
      FROM ledger_account c JOIN ledger_asset s ON s.id = c.asset_id WHERE c.id = NEW.account_id;
    IF ledger_lies_in_slots(account.role) THEN
        RAISE EXCEPTION 'account % lies in slots and takes no limits', NEW.account_id USING ERRCODE = 'LB017';
    ELSIF account.is_located AND coalesce(NEW.floor_atoms, -1) < 0 THEN
        RAISE EXCEPTION 'account % is of what lies somewhere and may not go short', NEW.account_id USING ERRCODE = 'LB017';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_accountlimit_begins BEFORE INSERT ON ledger_accountlimit
    FOR EACH ROW EXECUTE FUNCTION ledger_accountlimit_begins();

CREATE OR REPLACE FUNCTION ledger_accountlimit_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.account_id, OLD.floor_atoms, OLD.ceiling_atoms, OLD.effective_on, OLD.reason, OLD.maker_id, OLD.made_at)
       IS DISTINCT FROM
       (NEW.id, NEW.account_id, NEW.floor_atoms, NEW.ceiling_atoms, NEW.effective_on, NEW.reason, NEW.maker_id, NEW.made_at)
       OR (OLD.approval <> 'proposed'
           AND (OLD.approval, OLD.checker_id, OLD.checked_at) IS DISTINCT FROM (NEW.approval, NEW.checker_id, NEW.checked_at))
    THEN
        RAISE EXCEPTION 'limit % was proposed and is decided as it stands, once', OLD.id USING ERRCODE = 'LB017';
    END IF;
    IF NEW.applied_at IS DISTINCT FROM OLD.applied_at
       AND (OLD.applied_at IS NOT NULL OR OLD.approval = 'rejected'
            OR (NEW.applied_at AT TIME ZONE 'Asia/Hong_Kong')::date < NEW.effective_on)
    THEN
        RAISE EXCEPTION 'limit % comes in force once, when it is due', OLD.id USING ERRCODE = 'LB017';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_accountlimit_law BEFORE UPDATE ON ledger_accountlimit
    FOR EACH ROW EXECUTE FUNCTION ledger_accountlimit_law();
CREATE OR REPLACE TRIGGER ledger_accountlimit_stays BEFORE DELETE OR TRUNCATE ON ledger_accountlimit
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- A limit that comes in force draws the bounds itself, so that neither happens without the other.
CREATE OR REPLACE FUNCTION ledger_accountlimit_applies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger_balance b
       SET floor_atoms = n.floor, ceiling_atoms = n.ceiling, limit_id = NEW.id
      FROM ledger_account c CROSS JOIN LATERAL ledger_bounds(c.role, NEW.floor_atoms, NEW.ceiling_atoms) n
     WHERE b.account_id = NEW.account_id AND c.id = NEW.account_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account % has no balance to limit', NEW.account_id USING ERRCODE = 'LB017';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER ledger_accountlimit_applies AFTER UPDATE OF applied_at ON ledger_accountlimit
    FOR EACH ROW WHEN (OLD.applied_at IS NULL AND NEW.applied_at IS NOT NULL)
    EXECUTE FUNCTION ledger_accountlimit_applies();

CREATE OR REPLACE FUNCTION ledger_balance_limit_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM ledger_accountlimit l
          JOIN ledger_account c ON c.id = l.account_id
         CROSS JOIN LATERAL ledger_bounds(c.role, l.floor_atoms, l.ceiling_atoms) n
          LEFT JOIN ledger_accountlimit o ON o.id = OLD.limit_id
         WHERE l.id = NEW.limit_id AND l.account_id = NEW.account_id
           AND l.approval = 'approved' AND l.applied_at IS NOT NULL
           AND NEW.floor_atoms IS NOT DISTINCT FROM n.floor AND NEW.ceiling_atoms IS NOT DISTINCT FROM n.ceiling
           AND (OLD.limit_id IS NULL OR (l.effective_on, l.id) > (o.effective_on, o.id)))
    THEN
        RAISE EXCEPTION 'the bounds of account % are not those of a limit that was approved, is due and comes after the last',
            NEW.account_id USING ERRCODE = 'LB017';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_balance_limit_law BEFORE UPDATE OF floor_atoms, ceiling_atoms, limit_id ON ledger_balance
    FOR EACH ROW WHEN ((OLD.floor_atoms, OLD.ceiling_atoms, OLD.limit_id)
                       IS DISTINCT FROM (NEW.floor_atoms, NEW.ceiling_atoms, NEW.limit_id))
    EXECUTE FUNCTION ledger_balance_limit_law();

CREATE OR REPLACE FUNCTION ledger_balance_starts_in_bounds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.limit_id IS NOT NULL
       OR (SELECT (n.floor, n.ceiling) FROM ledger_account c CROSS JOIN LATERAL ledger_bounds_of_role(c.role) n
            WHERE c.id = NEW.account_id)
          IS DISTINCT FROM (NEW.floor_atoms::numeric, NEW.ceiling_atoms::numeric)
    THEN
        RAISE EXCEPTION 'the balance of account % starts with the bounds of its role', NEW.account_id USING ERRCODE = 'LB017';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_balance_starts_in_bounds BEFORE INSERT ON ledger_balance
    FOR EACH ROW EXECUTE FUNCTION ledger_balance_starts_in_bounds();

-- L17. Who opens a slot and who freezes or closes the account wait for each other.
CREATE OR REPLACE FUNCTION ledger_slots_key(p_book bigint, p_owner text, p_role text, p_asset bigint, p_location bigint)
RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT hashtextextended(concat_ws('/', 'ledger_slots', p_book, p_role, p_asset, coalesce(p_location, 0), p_owner), 0)
$$;

CREATE OR REPLACE FUNCTION ledger_account_joins_its_slots() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    other record;
BEGIN
    PERFORM pg_advisory_xact_lock(ledger_slots_key(NEW.book_id, NEW.owner, NEW.role, NEW.asset_id, NEW.location_id));
    SELECT c."freeze", c.closed_at INTO other FROM ledger_account c
     WHERE c.book_id = NEW.book_id AND c.owner = NEW.owner AND c.role = NEW.role AND c.asset_id = NEW.asset_id
       AND c.location_id IS NOT DISTINCT FROM NEW.location_id
     LIMIT 1;
    IF FOUND THEN
        NEW."freeze" := other."freeze";
        NEW.closed_at := other.closed_at;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_account_joins_its_slots BEFORE INSERT ON ledger_account
    FOR EACH ROW WHEN (ledger_lies_in_slots(NEW.role)) EXECUTE FUNCTION ledger_account_joins_its_slots();

CREATE OR REPLACE FUNCTION ledger_slots_move_together() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(ledger_slots_key(NEW.book_id, NEW.owner, NEW.role, NEW.asset_id, NEW.location_id));
    IF EXISTS (SELECT FROM ledger_account c
                WHERE c.book_id = NEW.book_id AND c.owner = NEW.owner AND c.role = NEW.role AND c.asset_id = NEW.asset_id
                  AND c.location_id IS NOT DISTINCT FROM NEW.location_id
                  AND (c."freeze", c.closed_at) IS DISTINCT FROM (NEW."freeze", NEW.closed_at))
    THEN
        RAISE EXCEPTION 'account % is frozen and closed in all its slots or in none', NEW.id USING ERRCODE = 'LB019';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER ledger_slots_move_together AFTER UPDATE OF "freeze", closed_at ON ledger_account
    FOR EACH ROW WHEN (ledger_lies_in_slots(NEW.role)
                       AND (OLD."freeze", OLD.closed_at) IS DISTINCT FROM (NEW."freeze", NEW.closed_at))
    EXECUTE FUNCTION ledger_slots_move_together();

-- reverse --
DROP TRIGGER ledger_slots_move_together ON ledger_account;
DROP FUNCTION ledger_slots_move_together();
DROP TRIGGER ledger_account_joins_its_slots ON ledger_account;
DROP FUNCTION ledger_account_joins_its_slots();
DROP FUNCTION ledger_slots_key(bigint, text, text, bigint, bigint);
DROP TRIGGER ledger_balance_starts_in_bounds ON ledger_balance;
DROP FUNCTION ledger_balance_starts_in_bounds();
DROP TRIGGER ledger_balance_limit_law ON ledger_balance;
DROP FUNCTION ledger_balance_limit_law();
DROP TRIGGER ledger_accountlimit_applies ON ledger_accountlimit;
DROP FUNCTION ledger_accountlimit_applies();
DROP TRIGGER ledger_accountlimit_stays ON ledger_accountlimit;
DROP TRIGGER ledger_accountlimit_law ON ledger_accountlimit;
DROP FUNCTION ledger_accountlimit_law();
DROP TRIGGER ledger_accountlimit_begins ON ledger_accountlimit;
DROP FUNCTION ledger_accountlimit_begins();
DROP FUNCTION ledger_bounds_of_role(text);
DROP FUNCTION ledger_bounds(text, numeric, numeric);
DROP FUNCTION ledger_lies_in_slots(text);
DROP FUNCTION ledger_is_debit_normal(text);
