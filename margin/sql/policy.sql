-- Deadlines are proposed with their policy and decided as they stand.
CREATE FUNCTION margin_deadline_with_policy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT approval FROM margin_marginpolicy WHERE id = NEW.policy_id) <> 'proposed' THEN
        RAISE EXCEPTION 'policy % was decided and takes no further deadline', NEW.policy_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_calldeadline_with_policy';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER margin_calldeadline_with_policy BEFORE INSERT ON margin_calldeadline
    FOR EACH ROW EXECUTE FUNCTION margin_deadline_with_policy();
CREATE TRIGGER margin_calldeadline_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_calldeadline
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- A firm goes live once, under an approved launch and an approved policy; nothing is lent before.
CREATE FUNCTION margin_broker_goes_live() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.went_live_at IS NOT NULL
       OR NOT EXISTS (SELECT 1 FROM margin_launch WHERE broker_id = NEW.id AND approval = 'approved')
       OR NOT EXISTS (SELECT 1 FROM margin_marginpolicy WHERE broker_id = NEW.id AND approval = 'approved')
    THEN
        RAISE EXCEPTION 'broker % may not go live', NEW.code
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_broker_goes_live';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION margin_lent_by_live_broker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM margin_facility f JOIN margin_client c ON c.id = f.client_id
                 JOIN margin_broker b ON b.id = c.broker_id
         WHERE f.id = NEW.facility_id AND b.went_live_at IS NOT NULL)
    THEN
        RAISE EXCEPTION 'nothing is lent before the firm has gone live'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_loanmovement_by_live_broker';
    END IF;
    RETURN NEW;
END $$;

-- Firms that lend already went live when their first policy was approved.
UPDATE margin_broker b SET went_live_at = p.checked_at
  FROM (SELECT broker_id, min(checked_at) AS checked_at FROM margin_marginpolicy
         WHERE approval = 'approved' GROUP BY broker_id) p
 WHERE p.broker_id = b.id;

CREATE FUNCTION margin_broker_opens_unlaunched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'broker % goes live after it was opened', NEW.code
        USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_broker_goes_live';
END $$;

CREATE TRIGGER margin_broker_opens_unlaunched BEFORE INSERT ON margin_broker FOR EACH ROW
    WHEN (NEW.went_live_at IS NOT NULL) EXECUTE FUNCTION margin_broker_opens_unlaunched();
CREATE TRIGGER margin_broker_goes_live BEFORE UPDATE ON margin_broker FOR EACH ROW
    WHEN (OLD.went_live_at IS DISTINCT FROM NEW.went_live_at) EXECUTE FUNCTION margin_broker_goes_live();
CREATE TRIGGER margin_loanmovement_by_live_broker BEFORE INSERT ON margin_loanmovement FOR EACH ROW
    WHEN (NEW.kind = 'drawdown') EXECUTE FUNCTION margin_lent_by_live_broker();
CREATE TRIGGER margin_launch_keep_decision BEFORE UPDATE ON margin_launch
    FOR EACH ROW EXECUTE FUNCTION core_keep_decision();
CREATE TRIGGER margin_launch_kept BEFORE DELETE OR TRUNCATE ON margin_launch
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_outage_keep_decision BEFORE UPDATE ON margin_outage
    FOR EACH ROW EXECUTE FUNCTION core_keep_decision();
CREATE TRIGGER margin_outage_kept BEFORE DELETE OR TRUNCATE ON margin_outage
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_marginpolicy_kept BEFORE DELETE OR TRUNCATE ON margin_marginpolicy
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER margin_marginpolicy_kept ON margin_marginpolicy;
DROP TRIGGER margin_outage_kept ON margin_outage;
DROP TRIGGER margin_outage_keep_decision ON margin_outage;
DROP TRIGGER margin_launch_kept ON margin_launch;
DROP TRIGGER margin_launch_keep_decision ON margin_launch;
DROP TRIGGER margin_loanmovement_by_live_broker ON margin_loanmovement;
DROP TRIGGER margin_broker_opens_unlaunched ON margin_broker;
DROP FUNCTION margin_broker_opens_unlaunched();
DROP TRIGGER margin_broker_goes_live ON margin_broker;
DROP FUNCTION margin_lent_by_live_broker();
DROP FUNCTION margin_broker_goes_live();
DROP TRIGGER margin_calldeadline_append_only ON margin_calldeadline;
DROP TRIGGER margin_calldeadline_with_policy ON margin_calldeadline;
DROP FUNCTION margin_deadline_with_policy();
