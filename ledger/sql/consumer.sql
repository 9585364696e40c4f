-- Readers of the outbox.
--
--   L32  a reader's position only moves forward, and never to a transaction that is as young as the oldest one still open:
--        what that one writes would be passed over

CREATE OR REPLACE FUNCTION ledger_consumer_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.name <> OLD.name OR NEW.transaction < OLD.transaction
                             OR (NEW.transaction = OLD.transaction AND NEW.place COLLATE "C" < OLD.place COLLATE "C")) THEN
        RAISE EXCEPTION 'consumer % only moves forward', OLD.name USING ERRCODE = 'LB030';
    END IF;
    IF NEW.transaction >= pg_snapshot_xmin(pg_current_snapshot()) THEN
        RAISE EXCEPTION 'consumer % would pass over transactions that are still open', NEW.name USING ERRCODE = 'LB030';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_consumer_law BEFORE INSERT OR UPDATE ON ledger_consumer
    FOR EACH ROW EXECUTE FUNCTION ledger_consumer_law();

CREATE OR REPLACE TRIGGER ledger_consumer_stays BEFORE DELETE OR TRUNCATE ON ledger_consumer
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER ledger_consumer_law ON ledger_consumer;
DROP TRIGGER ledger_consumer_stays ON ledger_consumer;
DROP FUNCTION ledger_consumer_law();
