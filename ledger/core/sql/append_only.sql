-- Rows that tell what happened are never changed: the reverse of a mistake is a new row.
CREATE FUNCTION core_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER core_event_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON core_event
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- Readers of the outbox trust the transaction number of a row, so nobody may make one up.
CREATE FUNCTION core_refuse_other_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of % carries the transaction that writes it, not %', TG_TABLE_NAME, NEW.transaction
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER core_event_transaction_is_own
    BEFORE INSERT ON core_event FOR EACH ROW WHEN (NEW.transaction IS DISTINCT FROM pg_current_xact_id())
    EXECUTE FUNCTION core_refuse_other_transaction();

-- A reply that was given stays the reply.
CREATE FUNCTION core_command_keep_reply() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.response_status IS NOT NULL
       OR (OLD.scope, OLD.key, OLD.route, OLD.body_hash) IS DISTINCT FROM (NEW.scope, NEW.key, NEW.route, NEW.body_hash)
    THEN
        RAISE EXCEPTION 'command % was already answered', OLD.key USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER core_command_keep_reply
    BEFORE UPDATE ON core_command FOR EACH ROW EXECUTE FUNCTION core_command_keep_reply();

CREATE TRIGGER core_command_kept
    BEFORE DELETE OR TRUNCATE ON core_command
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER core_command_kept ON core_command;
DROP TRIGGER core_command_keep_reply ON core_command;
DROP FUNCTION core_command_keep_reply();
DROP TRIGGER core_event_transaction_is_own ON core_event;
DROP FUNCTION core_refuse_other_transaction();
DROP TRIGGER core_event_append_only ON core_event;
DROP FUNCTION core_refuse_change();
