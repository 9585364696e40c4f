-- The law of corporate actions, held by PostgreSQL whoever writes.
--
--   L30  what was proposed is what is approved and carried out; an action goes forward and is never undone
--   L31  what holders are entitled to is written once, when an approved action is applied, and then only booked and paid

CREATE FUNCTION ledger_corporateaction_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.stage <> 'waiting' THEN
        RAISE EXCEPTION 'action % has not been carried out', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_corporateaction_begins';
    END IF;
    IF NOT (SELECT is_located FROM ledger_asset WHERE id = NEW.asset_id)
       OR NEW.other_asset_id = NEW.asset_id
       OR NOT coalesce((SELECT is_located FROM ledger_asset WHERE id = NEW.other_asset_id), true)
       OR coalesce((SELECT kind FROM ledger_asset WHERE id = NEW.currency_id), 'fiat') <> 'fiat'
    THEN
        RAISE EXCEPTION 'action %: shares are given for shares, and what is paid is money', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_corporateaction_assets';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_corporateaction_begins BEFORE INSERT ON ledger_corporateaction
    FOR EACH ROW EXECUTE FUNCTION ledger_corporateaction_begins();

CREATE FUNCTION ledger_corporateaction_law() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decision CONSTANT text[] := ARRAY['approval', 'checker_id', 'checked_at'];
    progress CONSTANT text[] := ARRAY['stage', 'applied_at', 'completed_at'];
BEGIN
    IF to_jsonb(NEW) - decision - progress IS DISTINCT FROM to_jsonb(OLD) - decision - progress THEN
        RAISE EXCEPTION 'action % was proposed and is decided as it stands', OLD.reference
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.approval <> 'proposed' AND to_jsonb(NEW) - progress IS DISTINCT FROM to_jsonb(OLD) - progress THEN
        RAISE EXCEPTION 'action % was decided and does not change', OLD.reference
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.stage, NEW.stage) NOT IN (('waiting', 'waiting'), ('waiting', 'applied'), ('applied', 'completed'))
       OR (NEW.stage = 'completed' AND NEW.applied_at <> OLD.applied_at)
    THEN
        RAISE EXCEPTION 'action % may not go from % to %', OLD.reference, OLD.stage, NEW.stage
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.stage = 'completed' AND EXISTS (
        SELECT 1 FROM ledger_entitlement e
         WHERE e.action_id = NEW.id
           AND e.status <> CASE WHEN NEW.kind = 'split' AND NEW.fraction_price IS NULL THEN 'booked' ELSE 'paid' END)
    THEN
        RAISE EXCEPTION 'action % still owes somebody', NEW.reference USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_corporateaction_law BEFORE UPDATE ON ledger_corporateaction
    FOR EACH ROW EXECUTE FUNCTION ledger_corporateaction_law();
CREATE TRIGGER ledger_corporateaction_kept BEFORE DELETE OR TRUNCATE ON ledger_corporateaction
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

CREATE FUNCTION ledger_entitlement_begins() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    refused record;
BEGIN
    SELECT n.account_id, a.reference, a.approval, a.stage INTO refused
      FROM added n
      LEFT JOIN ledger_corporateaction a ON a.id = n.action_id
     WHERE a.approval IS DISTINCT FROM 'approved' OR a.stage <> 'waiting' OR n.status <> 'pending'
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'account % is entitled to nothing more by action %, which is % and %',
            refused.account_id, refused.reference, refused.approval, refused.stage
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER ledger_entitlement_begins AFTER INSERT ON ledger_entitlement
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_entitlement_begins();

CREATE FUNCTION ledger_entitlement_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entitlement % is booked and paid as it was written, each once', OLD.id
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER ledger_entitlement_law BEFORE UPDATE ON ledger_entitlement FOR EACH ROW
    WHEN ((OLD.id, OLD.action_id, OLD.account_id, OLD.holding_atoms, OLD.entitled_atoms, OLD.change_atoms,
           OLD.fraction_numerator, OLD.fraction_denominator, OLD.cash_atoms)
          IS DISTINCT FROM
          (NEW.id, NEW.action_id, NEW.account_id, NEW.holding_atoms, NEW.entitled_atoms, NEW.change_atoms,
           NEW.fraction_numerator, NEW.fraction_denominator, NEW.cash_atoms)
          OR (OLD.status, NEW.status) NOT IN (('pending', 'pending'), ('pending', 'booked'), ('booked', 'booked'),
                                              ('booked', 'paid'))
          OR (OLD.status = 'booked' AND NEW.journal_id IS DISTINCT FROM OLD.journal_id))
    EXECUTE FUNCTION ledger_entitlement_law();
CREATE TRIGGER ledger_entitlement_kept BEFORE DELETE OR TRUNCATE ON ledger_entitlement
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER ledger_entitlement_kept ON ledger_entitlement;
DROP TRIGGER ledger_entitlement_law ON ledger_entitlement;
DROP FUNCTION ledger_entitlement_law();
DROP TRIGGER ledger_entitlement_begins ON ledger_entitlement;
DROP FUNCTION ledger_entitlement_begins();
DROP TRIGGER ledger_corporateaction_kept ON ledger_corporateaction;
DROP TRIGGER ledger_corporateaction_law ON ledger_corporateaction;
DROP FUNCTION ledger_corporateaction_law();
DROP TRIGGER ledger_corporateaction_begins ON ledger_corporateaction;
DROP FUNCTION ledger_corporateaction_begins();
