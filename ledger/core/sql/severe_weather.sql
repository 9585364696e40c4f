-- What was declared and decided stays; of an open declaration only the decision may change.
CREATE FUNCTION core_keep_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.approval <> 'proposed'
       OR to_jsonb(NEW) - ARRAY['approval', 'checker_id', 'checked_at']
          IS DISTINCT FROM to_jsonb(OLD) - ARRAY['approval', 'checker_id', 'checked_at']
    THEN
        RAISE EXCEPTION 'row % of % is decided once, as it was proposed', OLD.id, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER core_severeweatherday_keep_decision BEFORE UPDATE ON core_severeweatherday
    FOR EACH ROW EXECUTE FUNCTION core_keep_decision();
CREATE TRIGGER core_severeweatherday_kept BEFORE DELETE OR TRUNCATE ON core_severeweatherday
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER core_severeweatherday_kept ON core_severeweatherday;
DROP TRIGGER core_severeweatherday_keep_decision ON core_severeweatherday;
DROP FUNCTION core_keep_decision();
