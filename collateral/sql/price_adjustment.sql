-- An adjusted price is what was seen, at the ratio of the split, rounded up at the eighteenth decimal and nowhere else.
CREATE FUNCTION collateral_price_adjusted_law() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    seen collateral_price;
    split record;
BEGIN
    SELECT * INTO seen FROM collateral_price WHERE id = NEW.adjusts_id;
    SELECT a.instrument_id, a.effective_at, c.ratio_new, c.ratio_old INTO split
      FROM collateral_priceadjustment a
      JOIN ledger_corporateaction c ON c.id = a.corporate_action_id
     WHERE a.id = NEW.adjustment_id AND c.kind = 'split' AND c.stage <> 'waiting';
    IF split.instrument_id IS DISTINCT FROM NEW.instrument_id
       OR (NEW.instrument_id, NEW.source, NEW.currency, NEW.observed_at)
          IS DISTINCT FROM (seen.instrument_id, seen.source, seen.currency, seen.observed_at)
       OR NEW.observed_at >= split.effective_at
       OR NEW.price * split.ratio_new < seen.price * split.ratio_old
       OR (NEW.price - 1e-18) * split.ratio_new >= seen.price * split.ratio_old
    THEN
        RAISE EXCEPTION 'price % of instrument % is not what % was at the ratio of its split',
            NEW.price, NEW.instrument_id, seen.price
            USING ERRCODE = 'check_violation', CONSTRAINT = 'collateral_price_adjusted_law';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER collateral_price_adjusted_law BEFORE INSERT ON collateral_price
    FOR EACH ROW WHEN (NEW.adjustment_id IS NOT NULL) EXECUTE FUNCTION collateral_price_adjusted_law();

CREATE TRIGGER collateral_priceadjustment_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON collateral_priceadjustment
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER collateral_priceadjustment_append_only ON collateral_priceadjustment;
DROP TRIGGER collateral_price_adjusted_law ON collateral_price;
DROP FUNCTION collateral_price_adjusted_law();
