-- A call is waived by an approved waiver and taken back by an approved cancellation or dispute, in no other way.
CREATE FUNCTION margin_call_by_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM margin_calldecision d
         WHERE d.call_id = NEW.id AND d.approval = 'approved'
           AND d.kind = ANY (CASE NEW.status WHEN 'waived' THEN ARRAY['waiver']
                                             ELSE ARRAY['cancellation', 'dispute'] END))
    THEN
        RAISE EXCEPTION 'call % is not % without a decision of two people', NEW.id, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_margincall_by_decision';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER margin_margincall_zz_by_decision BEFORE UPDATE ON margin_margincall FOR EACH ROW
    WHEN (OLD.status <> NEW.status
          AND (NEW.status = 'waived' OR (NEW.status = 'cancelled' AND OLD.status <> 'expected')))
    EXECUTE FUNCTION margin_call_by_decision();
CREATE TRIGGER margin_calldecision_keep_decision BEFORE UPDATE ON margin_calldecision
    FOR EACH ROW EXECUTE FUNCTION core_keep_decision();
CREATE TRIGGER margin_calldecision_kept BEFORE DELETE OR TRUNCATE ON margin_calldecision
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER margin_calldecision_kept ON margin_calldecision;
DROP TRIGGER margin_calldecision_keep_decision ON margin_calldecision;
DROP TRIGGER margin_margincall_zz_by_decision ON margin_margincall;
DROP FUNCTION margin_call_by_decision();
