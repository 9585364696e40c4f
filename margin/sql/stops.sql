-- No order is made or sent under a kill switch: the firm's, or one over its venue, its asset or its account.
-- Whoever puts a switch on takes the lock alone, so an order that is under way is through before the switch is on.
CREATE FUNCTION margin_order_not_stopped() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    account bigint;
    firm bigint;
BEGIN
    SELECT y.id, c.broker_id INTO account, firm
      FROM margin_saleleg g
      JOIN margin_forcedsale f ON f.id = g.sale_id
      JOIN margin_margincall m ON m.id = f.call_id
      JOIN margin_facility y ON y.id = m.facility_id
      JOIN margin_client c ON c.id = y.client_id
     WHERE g.id = NEW.leg_id;
    PERFORM pg_advisory_xact_lock_shared(hashtext('margin_salestop'), firm::int);
    IF EXISTS (SELECT 1 FROM margin_broker WHERE id = firm AND are_forced_sales_stopped)
       OR EXISTS (
           SELECT 1
             FROM margin_salestop s
             JOIN margin_saleleg g ON g.id = NEW.leg_id
             JOIN collateral_instrument i ON i.asset_id = g.asset_id
            WHERE s.broker_id = firm AND s.lifted_at IS NULL
              AND (s.venue = i.venue OR s.asset_id = g.asset_id OR s.facility_id = account))
    THEN
        RAISE EXCEPTION 'forced sales are stopped: order % may not be %', NEW.client_order_id, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_saleorder_not_stopped';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION margin_stop_comes_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('margin_salestop'),
                                  (to_jsonb(NEW) ->> TG_ARGV[0])::int);
    RETURN NEW;
END $$;

-- What was stopped, why and by whom stays; a stop is lifted once and never comes back.
CREATE FUNCTION margin_stop_stands() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lifting CONSTANT text[] := ARRAY['lift_reason', 'lift_asked_by_id', 'lift_asked_at', 'lifted_by_id', 'lifted_at'];
BEGIN
    IF OLD.lifted_at IS NOT NULL OR to_jsonb(NEW) - lifting IS DISTINCT FROM to_jsonb(OLD) - lifting THEN
        RAISE EXCEPTION 'stop % stays as it was put on', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER margin_saleorder_not_stopped BEFORE INSERT ON margin_saleorder
    FOR EACH ROW EXECUTE FUNCTION margin_order_not_stopped();
CREATE TRIGGER margin_saleorder_not_sent_stopped BEFORE UPDATE ON margin_saleorder FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND NEW.status = 'sent') EXECUTE FUNCTION margin_order_not_stopped();
CREATE TRIGGER margin_salestop_comes_first BEFORE INSERT ON margin_salestop
    FOR EACH ROW EXECUTE FUNCTION margin_stop_comes_first('broker_id');
CREATE TRIGGER margin_broker_stop_comes_first BEFORE UPDATE ON margin_broker FOR EACH ROW
    WHEN (NEW.are_forced_sales_stopped AND NOT OLD.are_forced_sales_stopped)
    EXECUTE FUNCTION margin_stop_comes_first('id');
CREATE TRIGGER margin_salestop_stands BEFORE UPDATE ON margin_salestop
    FOR EACH ROW EXECUTE FUNCTION margin_stop_stands();
CREATE TRIGGER margin_salestop_kept BEFORE DELETE OR TRUNCATE ON margin_salestop
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER margin_salestop_kept ON margin_salestop;
DROP TRIGGER margin_salestop_stands ON margin_salestop;
DROP TRIGGER margin_broker_stop_comes_first ON margin_broker;
DROP TRIGGER margin_salestop_comes_first ON margin_salestop;
DROP TRIGGER margin_saleorder_not_sent_stopped ON margin_saleorder;
DROP TRIGGER margin_saleorder_not_stopped ON margin_saleorder;
DROP FUNCTION margin_stop_stands();
DROP FUNCTION margin_stop_comes_first();
DROP FUNCTION margin_order_not_stopped();
