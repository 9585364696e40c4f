-- What a source said, what was refused of it and what a price was made of are kept as they were.
CREATE TRIGGER collateral_sourcequote_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON collateral_sourcequote
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER collateral_feedrefusal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON collateral_feedrefusal
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER collateral_pricecomponent_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON collateral_pricecomponent
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- A price is made of quotes of its own instrument that were seen before it.
CREATE FUNCTION collateral_pricecomponent_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM collateral_price p JOIN collateral_sourcequote q USING (instrument_id)
         WHERE p.id = NEW.price_id AND q.id = NEW.quote_id
           AND q.currency = p.currency AND q.observed_at <= p.observed_at)
    THEN
        RAISE EXCEPTION 'quote % is none of the instrument of price % at its time', NEW.quote_id, NEW.price_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'collateral_pricecomponent_law';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER collateral_pricecomponent_law BEFORE INSERT ON collateral_pricecomponent
    FOR EACH ROW EXECUTE FUNCTION collateral_pricecomponent_law();

-- reverse --
DROP TRIGGER collateral_pricecomponent_law ON collateral_pricecomponent;
DROP FUNCTION collateral_pricecomponent_law();
DROP TRIGGER collateral_pricecomponent_append_only ON collateral_pricecomponent;
DROP TRIGGER collateral_feedrefusal_append_only ON collateral_feedrefusal;
DROP TRIGGER collateral_sourcequote_append_only ON collateral_sourcequote;
