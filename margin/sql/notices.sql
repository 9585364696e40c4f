-- What was said to a client stays as it was said; only what became of it changes, and never back.
CREATE FUNCTION margin_notice_keeps_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    progress CONSTANT text[] := ARRAY['attempts', 'next_attempt_at', 'status', 'sent_at', 'delivered_at', 'failed_at',
                                      'acknowledged_at', 'escalated_at', 'error'];
BEGIN
    IF to_jsonb(NEW) - progress IS DISTINCT FROM to_jsonb(OLD) - progress THEN
        RAISE EXCEPTION 'notice % stays as it was written', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('pending', 'sent'), ('pending', 'delivered'), ('pending', 'failed'), ('pending', 'acknowledged'),
        ('sent', 'delivered'), ('sent', 'failed'), ('sent', 'acknowledged'), ('delivered', 'acknowledged'),
        ('failed', 'acknowledged'))
    THEN
        RAISE EXCEPTION 'notice % may not go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_notice_keeps_words';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER margin_notice_keeps_words BEFORE UPDATE ON margin_notice
    FOR EACH ROW EXECUTE FUNCTION margin_notice_keeps_words();
CREATE TRIGGER margin_notice_kept BEFORE DELETE OR TRUNCATE ON margin_notice
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_noticetemplate_keep_decision BEFORE UPDATE ON margin_noticetemplate
    FOR EACH ROW EXECUTE FUNCTION core_keep_decision();
CREATE TRIGGER margin_noticetemplate_kept BEFORE DELETE OR TRUNCATE ON margin_noticetemplate
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER margin_noticetemplate_kept ON margin_noticetemplate;
DROP TRIGGER margin_noticetemplate_keep_decision ON margin_noticetemplate;
DROP TRIGGER margin_notice_kept ON margin_notice;
DROP TRIGGER margin_notice_keeps_words ON margin_notice;
DROP FUNCTION margin_notice_keeps_words();
