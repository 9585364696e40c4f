-- What the rules say before the house decides: 26EC5 for loans (Bitcoin and Ether by their ISO 24165 identifiers),
-- the framework of perpetuals for margin in money, licensed stablecoins and tokenised deposits.
CREATE FUNCTION collateral_standing(entity_type text, product text, kind text, standard_code text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN product = 'margin_loan' AND entity_type IN ('licensed_corporation', 'registered_institution')
             AND (kind = 'security' OR kind = 'virtual_asset' AND standard_code IN ('4H95J0R2X', 'X9J9K872S'))
        THEN 'by_rule'
        WHEN product = 'margin_loan' AND entity_type = 'registered_institution' AND kind = 'stablecoin'
        THEN 'on_decision'
        WHEN product = 'perpetual' AND entity_type = 'trading_platform' AND kind = 'fiat'
        THEN 'by_rule'
        WHEN product = 'perpetual' AND entity_type = 'trading_platform' AND kind IN ('stablecoin', 'tokenised_deposit')
        THEN 'on_decision'
        ELSE 'forbidden'
    END
$$;

CREATE FUNCTION collateral_eligibility_law() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    pledged ledger_asset;
BEGIN
    SELECT * INTO pledged FROM ledger_asset WHERE id = NEW.asset_id;
    IF collateral_standing(NEW.entity_type, NEW.product, pledged.kind, pledged.standard_code) = 'forbidden' THEN
        RAISE EXCEPTION 'INELIGIBLE_ASSET: % may not secure a % of a %', pledged.code, NEW.product, NEW.entity_type
            USING ERRCODE = 'check_violation', CONSTRAINT = 'INELIGIBLE_ASSET', COLUMN = 'asset_id';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER collateral_eligibility_law BEFORE INSERT OR UPDATE ON collateral_eligibility
    FOR EACH ROW EXECUTE FUNCTION collateral_eligibility_law();
CREATE TRIGGER collateral_eligibility_keep_decision BEFORE UPDATE ON collateral_eligibility
    FOR EACH ROW EXECUTE FUNCTION core_keep_decision();
CREATE TRIGGER collateral_eligibility_kept BEFORE DELETE OR TRUNCATE ON collateral_eligibility
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- A sheet says what its rows say, and is not written on afterwards.
CREATE FUNCTION collateral_termsheetline_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.eligibility_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM collateral_eligibility e
         WHERE e.id = NEW.eligibility_id AND e.asset_id = NEW.asset_id AND e.approval = 'approved'
           AND e.is_accepted = NEW.is_eligible)
    THEN
        RAISE EXCEPTION 'eligibility % does not say that of asset %', NEW.eligibility_id, NEW.asset_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'collateral_termsheetline_law';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER collateral_termsheetline_law BEFORE INSERT ON collateral_termsheetline
    FOR EACH ROW EXECUTE FUNCTION collateral_termsheetline_law();
CREATE TRIGGER collateral_termsheet_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON collateral_termsheet
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER collateral_termsheetline_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON collateral_termsheetline
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER collateral_termsheetline_append_only ON collateral_termsheetline;
DROP TRIGGER collateral_termsheet_append_only ON collateral_termsheet;
DROP TRIGGER collateral_termsheetline_law ON collateral_termsheetline;
DROP FUNCTION collateral_termsheetline_law();
DROP TRIGGER collateral_eligibility_kept ON collateral_eligibility;
DROP TRIGGER collateral_eligibility_keep_decision ON collateral_eligibility;
DROP TRIGGER collateral_eligibility_law ON collateral_eligibility;
DROP FUNCTION collateral_eligibility_law();
DROP FUNCTION collateral_standing(text, text, text, text);
