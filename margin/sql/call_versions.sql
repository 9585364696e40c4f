-- A call demands what its version says: it changes by the next version alone, and once issued its due time never
-- comes nearer.
CREATE FUNCTION margin_call_follows_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.facility_id, OLD.number, OLD.amount_currency)
       IS DISTINCT FROM (NEW.facility_id, NEW.number, NEW.amount_currency)
       OR NEW.version <> OLD.version + 1
       OR (OLD.status <> 'expected' AND (NEW.due_at < OLD.due_at OR NEW.issued_at <> OLD.issued_at))
       OR NOT EXISTS (
           SELECT 1 FROM margin_margincallversion v
            WHERE v.call_id = NEW.id AND v.number = NEW.version
              AND (v.valuation_id, v.amount, v.amount_currency, v.due_at)
                  = (NEW.valuation_id, NEW.amount, NEW.amount_currency, NEW.due_at))
    THEN
        RAISE EXCEPTION 'what call % demands does not change but by its next version', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'margin_margincall_by_version';
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS margin_margincall_terms ON margin_margincall;
CREATE TRIGGER margin_margincall_by_version BEFORE UPDATE ON margin_margincall FOR EACH ROW
    WHEN ((OLD.facility_id, OLD.number, OLD.valuation_id, OLD.amount, OLD.amount_currency, OLD.issued_at, OLD.due_at,
           OLD.version)
          IS DISTINCT FROM
          (NEW.facility_id, NEW.number, NEW.valuation_id, NEW.amount, NEW.amount_currency, NEW.issued_at, NEW.due_at,
           NEW.version))
    EXECUTE FUNCTION margin_call_follows_version();
CREATE TRIGGER margin_margincallversion_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_margincallversion
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

INSERT INTO margin_margincallversion
       (call_id, number, valuation_id, amount, amount_currency, due_at, cause, made_at)
SELECT id, 1, valuation_id, amount, amount_currency, due_at, 'issued', issued_at FROM margin_margincall;

-- reverse --
DROP TRIGGER margin_margincallversion_append_only ON margin_margincallversion;
DROP TRIGGER margin_margincall_by_version ON margin_margincall;
DROP FUNCTION margin_call_follows_version();
