-- 26EC5: the 60% floor, what is eligible and the range, said in the same words as form, API and import, for the
-- haircut and for each of its tiers.
-- V05: OUT_OF_RANGE before INELIGIBLE_ASSET before BELOW_FLOOR before INEXACT.
CREATE OR REPLACE FUNCTION collateral_check_haircut(haircut numeric, asset bigint, entity_type text, product text)
RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    pledged ledger_asset;
    standing text;
BEGIN
    IF NOT (haircut >= 0 AND haircut <= 1) THEN
        RAISE EXCEPTION 'OUT_OF_RANGE: a haircut is a fraction from 0 to 1, not %', haircut
            USING ERRCODE = 'check_violation', CONSTRAINT = 'OUT_OF_RANGE', COLUMN = 'haircut';
    END IF;
    SELECT * INTO pledged FROM ledger_asset WHERE id = asset;
    standing := collateral_standing(entity_type, product, pledged.kind, pledged.standard_code);
    IF standing = 'forbidden' OR standing = 'on_decision' AND NOT EXISTS (
        SELECT 1 FROM collateral_eligibility e
         WHERE (e.entity_type, e.product, e.asset_id) = ($3, $4, asset) AND e.approval = 'approved' AND e.is_accepted)
    THEN
        RAISE EXCEPTION 'INELIGIBLE_ASSET: % may not secure a % of a %', pledged.code, product, entity_type
            USING ERRCODE = 'check_violation', CONSTRAINT = 'INELIGIBLE_ASSET', COLUMN = 'asset_id';
    END IF;
    IF pledged.kind = 'virtual_asset' AND haircut < 0.60 THEN
        RAISE EXCEPTION 'BELOW_FLOOR: the haircut of % is at least 0.60, not %', pledged.code, haircut
            USING ERRCODE = 'check_violation', CONSTRAINT = 'BELOW_FLOOR', COLUMN = 'haircut';
    END IF;
    IF min_scale(haircut) > 8 THEN
        RAISE EXCEPTION 'INEXACT: % has more than eight decimals', haircut
            USING ERRCODE = 'check_violation', CONSTRAINT = 'INEXACT', COLUMN = 'haircut';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION collateral_lendinghaircut_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM collateral_check_haircut(NEW.haircut, NEW.asset_id, NEW.entity_type, NEW.product);
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER collateral_lendinghaircut_law BEFORE INSERT OR UPDATE ON collateral_lendinghaircut
    FOR EACH ROW EXECUTE FUNCTION collateral_lendinghaircut_law();

-- What was decided stays decided, what a past valuation used stays readable, and a checker approves what the
-- maker wrote: of an open proposal only the decision may change.
CREATE OR REPLACE FUNCTION collateral_keep_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.approval <> 'proposed' THEN
        RAISE EXCEPTION 'row % of % was decided and does not change', OLD.id, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF to_jsonb(NEW) - ARRAY['approval', 'checker_id', 'checked_at']
       IS DISTINCT FROM to_jsonb(OLD) - ARRAY['approval', 'checker_id', 'checked_at']
    THEN
        RAISE EXCEPTION 'row % of % was proposed and is decided as it stands', OLD.id, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER collateral_lendinghaircut_keep_decision BEFORE UPDATE ON collateral_lendinghaircut
    FOR EACH ROW EXECUTE FUNCTION collateral_keep_decision();
CREATE OR REPLACE TRIGGER collateral_pricepolicy_keep_decision BEFORE UPDATE ON collateral_pricepolicy
    FOR EACH ROW EXECUTE FUNCTION collateral_keep_decision();

CREATE OR REPLACE TRIGGER collateral_lendinghaircut_kept BEFORE DELETE OR TRUNCATE ON collateral_lendinghaircut
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE OR REPLACE TRIGGER collateral_pricepolicy_kept BEFORE DELETE OR TRUNCATE ON collateral_pricepolicy
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE OR REPLACE TRIGGER collateral_price_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON collateral_price
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE OR REPLACE TRIGGER collateral_fxrate_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON collateral_fxrate
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER collateral_fxrate_append_only ON collateral_fxrate;
DROP TRIGGER collateral_price_append_only ON collateral_price;
DROP TRIGGER collateral_pricepolicy_kept ON collateral_pricepolicy;
DROP TRIGGER collateral_lendinghaircut_kept ON collateral_lendinghaircut;
DROP TRIGGER collateral_pricepolicy_keep_decision ON collateral_pricepolicy;
DROP TRIGGER collateral_lendinghaircut_keep_decision ON collateral_lendinghaircut;
DROP FUNCTION collateral_keep_decision();
DROP TRIGGER collateral_lendinghaircut_law ON collateral_lendinghaircut;
DROP FUNCTION collateral_lendinghaircut_law();
DROP FUNCTION collateral_check_haircut(numeric, bigint, text, text);
