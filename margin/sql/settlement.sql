-- What has settled of a trade is the sum of the reports on it, part by part up to the whole and never beyond.
CREATE FUNCTION margin_settlement_report_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    whole margin_settlementinstruction;
    before record;
BEGIN
    SELECT * INTO whole FROM margin_settlementinstruction WHERE id = NEW.instruction_id FOR NO KEY UPDATE;
    SELECT count(*) AS reports, coalesce(sum(r.quantity), 0) AS quantity, coalesce(sum(r.money), 0) AS money,
           coalesce(sum(r.net), 0) AS net
      INTO before FROM margin_settlementreport r WHERE r.instruction_id = NEW.instruction_id;
    IF NEW.number <> before.reports + 1 THEN
        RAISE EXCEPTION 'report % of instruction % follows on %', NEW.number, whole.reference, before.reports
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_settlementreport_numbered';
    END IF;
    IF whole.status = 'settled' OR before.quantity + NEW.quantity > whole.quantity
       OR before.money + NEW.money > whole.gross OR before.net + NEW.net > whole.net THEN
        RAISE EXCEPTION 'reports of instruction % would exceed its % for %', whole.reference, whole.quantity, whole.gross
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_settlementreport_within_whole';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION margin_settlement_follows_reports() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told record;
BEGIN
    IF (OLD.fill_id, OLD.reference, OLD.currency, OLD.quantity, OLD.gross, OLD.net, OLD.due_on)
       IS DISTINCT FROM (NEW.fill_id, NEW.reference, NEW.currency, NEW.quantity, NEW.gross, NEW.net, NEW.due_on) THEN
        RAISE EXCEPTION 'what instruction % was made with does not change', OLD.reference
            USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT coalesce(sum(r.quantity), 0) AS quantity, coalesce(sum(r.money), 0) AS money,
           coalesce(sum(r.net), 0) AS net, count(*) FILTER (WHERE r.outcome = 'failed') AS fails
      INTO told FROM margin_settlementreport r WHERE r.instruction_id = NEW.id;
    IF (NEW.settled_quantity, NEW.settled_money, NEW.settled_net, NEW.fail_count::bigint)
       IS DISTINCT FROM (told.quantity, told.money, told.net, told.fails) THEN
        RAISE EXCEPTION 'instruction % says other than its reports', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_settlement_follows_reports';
    END IF;
    RETURN NEW;
END $$;

-- An instruction is of its trade, and nothing has settled of it when it is made.
CREATE FUNCTION margin_settlement_is_of_fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM margin_fill l
         WHERE l.id = NEW.fill_id AND l.settled_at IS NULL
           AND (l.quantity, l.gross, l.net, l.gross_currency, l.settles_on)
             = (NEW.quantity, NEW.gross, NEW.net, NEW.currency, NEW.due_on))
       OR NEW.status <> 'pending' OR NEW.settled_net <> 0
    THEN
        RAISE EXCEPTION 'instruction % is not that of its trade', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_settlement_is_of_fill';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER margin_settlement_is_of_fill BEFORE INSERT ON margin_settlementinstruction
    FOR EACH ROW EXECUTE FUNCTION margin_settlement_is_of_fill();
CREATE TRIGGER margin_settlement_follows_reports BEFORE UPDATE ON margin_settlementinstruction
    FOR EACH ROW EXECUTE FUNCTION margin_settlement_follows_reports();
CREATE TRIGGER margin_settlement_states BEFORE UPDATE ON margin_settlementinstruction
    FOR EACH ROW EXECUTE FUNCTION margin_keep_states('settlement');
CREATE TRIGGER margin_settlement_kept BEFORE DELETE OR TRUNCATE ON margin_settlementinstruction
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_settlementreport_fits BEFORE INSERT ON margin_settlementreport
    FOR EACH ROW EXECUTE FUNCTION margin_settlement_report_fits();
CREATE TRIGGER margin_settlementreport_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_settlementreport
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_settlementpenalty_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_settlementpenalty
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- Trades that were under way when instructions came in get theirs.
INSERT INTO margin_settlementinstruction
       (fill_id, reference, status, currency, quantity, gross, net, due_on, next_attempt_on, created_at)
SELECT l.id, format('SI-%s-%s', l.venue, l.execution_id), 'pending', l.gross_currency, l.quantity, l.gross, l.net,
       l.settles_on, l.settles_on, l.traded_at
  FROM margin_fill l WHERE l.settled_at IS NULL;

-- reverse --
DROP TRIGGER margin_settlementpenalty_append_only ON margin_settlementpenalty;
DROP TRIGGER margin_settlementreport_append_only ON margin_settlementreport;
DROP TRIGGER margin_settlementreport_fits ON margin_settlementreport;
DROP TRIGGER margin_settlement_kept ON margin_settlementinstruction;
DROP TRIGGER margin_settlement_states ON margin_settlementinstruction;
DROP TRIGGER margin_settlement_follows_reports ON margin_settlementinstruction;
DROP TRIGGER margin_settlement_is_of_fill ON margin_settlementinstruction;
DROP FUNCTION margin_settlement_is_of_fill();
DROP FUNCTION margin_settlement_follows_reports();
DROP FUNCTION margin_settlement_report_fits();
