-- Caps are decided by two people and stay readable for whoever replays; a client's group is of its own firm.
CREATE FUNCTION margin_client_group_of_firm() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM margin_clientgroup WHERE id = NEW.group_id AND broker_id = NEW.broker_id) THEN
        RAISE EXCEPTION 'group % is of another firm than client %', NEW.group_id, NEW.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_client_group_of_firm';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION margin_clientgroup_keeps_firm() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'group % keeps its firm', OLD.name
        USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_clientgroup_keeps_firm';
END $$;

CREATE TRIGGER margin_clientgroup_keeps_firm BEFORE UPDATE ON margin_clientgroup FOR EACH ROW
    WHEN (OLD.broker_id IS DISTINCT FROM NEW.broker_id) EXECUTE FUNCTION margin_clientgroup_keeps_firm();
CREATE TRIGGER margin_client_group_of_firm BEFORE INSERT OR UPDATE ON margin_client FOR EACH ROW
    WHEN (NEW.group_id IS NOT NULL) EXECUTE FUNCTION margin_client_group_of_firm();
CREATE TRIGGER margin_collateralcap_keep_decision BEFORE UPDATE ON margin_collateralcap
    FOR EACH ROW EXECUTE FUNCTION core_keep_decision();
CREATE TRIGGER margin_collateralcap_kept BEFORE DELETE OR TRUNCATE ON margin_collateralcap
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_valuationcap_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_valuationcap
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_valuationruntotal_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_valuationruntotal
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER margin_valuationruntotal_append_only ON margin_valuationruntotal;
DROP TRIGGER margin_valuationcap_append_only ON margin_valuationcap;
DROP TRIGGER margin_collateralcap_kept ON margin_collateralcap;
DROP TRIGGER margin_collateralcap_keep_decision ON margin_collateralcap;
DROP TRIGGER margin_client_group_of_firm ON margin_client;
DROP FUNCTION margin_client_group_of_firm();
DROP TRIGGER margin_clientgroup_keeps_firm ON margin_clientgroup;
DROP FUNCTION margin_clientgroup_keeps_firm();
