-- What was sent to a venue stays what was sent: it is found and sent again by it, and by nothing else.
CREATE FUNCTION margin_venueorder_keeps_terms() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    progress CONSTANT text[] := ARRAY['sent_at', 'attempts', 'reference'];
BEGIN
    IF to_jsonb(NEW) - progress IS DISTINCT FROM to_jsonb(OLD) - progress
       OR NEW.sent_at < OLD.sent_at OR NEW.attempts < OLD.attempts
       OR (OLD.reference <> '' AND NEW.reference <> OLD.reference)
    THEN
        RAISE EXCEPTION 'order % stays as it was sent', OLD.client_order_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER margin_venueorder_keeps_terms BEFORE UPDATE ON margin_venueorder
    FOR EACH ROW EXECUTE FUNCTION margin_venueorder_keeps_terms();
CREATE TRIGGER margin_venueorder_kept BEFORE DELETE OR TRUNCATE ON margin_venueorder
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER margin_venueorder_kept ON margin_venueorder;
DROP TRIGGER margin_venueorder_keeps_terms ON margin_venueorder;
DROP FUNCTION margin_venueorder_keeps_terms();
