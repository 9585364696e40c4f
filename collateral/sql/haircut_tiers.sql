-- Tiers: marginal slices, each at least as high as the one below, the 26EC5 floor in every slice.
-- They are proposed with their haircut, as many as it announces, so that none can be slipped in before the decision.
CREATE OR REPLACE FUNCTION collateral_haircuttier_law() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parent collateral_lendinghaircut;
BEGIN
    SELECT * INTO parent FROM collateral_lendinghaircut WHERE id = NEW.parent_id FOR NO KEY UPDATE;
    IF parent.approval <> 'proposed'
       OR (SELECT count(*) FROM collateral_haircuttier WHERE parent_id = NEW.parent_id) >= parent.tier_count
    THEN
        RAISE EXCEPTION 'TIERS_CLOSED: haircut % takes no further tier', NEW.parent_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'TIERS_CLOSED', COLUMN = 'parent_id';
    END IF;
    PERFORM collateral_check_haircut(NEW.haircut, parent.asset_id, parent.entity_type, parent.product);
    IF NEW.haircut < parent.haircut OR EXISTS (
        SELECT 1 FROM collateral_haircuttier t
         WHERE t.parent_id = NEW.parent_id
           AND (t.above < NEW.above AND t.haircut > NEW.haircut OR t.above > NEW.above AND t.haircut < NEW.haircut))
    THEN
        RAISE EXCEPTION 'TIERS_OUT_OF_ORDER: a higher slice takes no lower haircut than one below it'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'TIERS_OUT_OF_ORDER', COLUMN = 'haircut';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION collateral_lendinghaircut_has_tiers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.tier_count <> (SELECT count(*) FROM collateral_haircuttier WHERE parent_id = NEW.id) THEN
        RAISE EXCEPTION 'TIERS_INCOMPLETE: haircut % announces % tiers', NEW.id, NEW.tier_count
            USING ERRCODE = 'check_violation', CONSTRAINT = 'TIERS_INCOMPLETE', COLUMN = 'tier_count';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER collateral_haircuttier_law BEFORE INSERT ON collateral_haircuttier
    FOR EACH ROW EXECUTE FUNCTION collateral_haircuttier_law();
CREATE OR REPLACE TRIGGER collateral_haircuttier_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON collateral_haircuttier
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE OR REPLACE TRIGGER collateral_lendinghaircut_has_tiers AFTER INSERT OR UPDATE ON collateral_lendinghaircut
    FOR EACH ROW WHEN (NEW.approval = 'approved') EXECUTE FUNCTION collateral_lendinghaircut_has_tiers();

-- reverse --
DROP TRIGGER collateral_lendinghaircut_has_tiers ON collateral_lendinghaircut;
DROP TRIGGER collateral_haircuttier_append_only ON collateral_haircuttier;
DROP TRIGGER collateral_haircuttier_law ON collateral_haircuttier;
DROP FUNCTION collateral_lendinghaircut_has_tiers();
DROP FUNCTION collateral_haircuttier_law();
