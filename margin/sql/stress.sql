-- A set of scenarios is decided as it was proposed and then stays; what a stress test found stays as it was found.
CREATE FUNCTION margin_stressscenario_with_set() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unknown text;
BEGIN
    IF (SELECT approval FROM margin_scenarioset WHERE id = NEW.parent_id) <> 'proposed' THEN
        RAISE EXCEPTION 'set % was decided and takes no further scenario', NEW.parent_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_stressscenario_with_set';
    END IF;
    SELECT min(code) INTO unknown FROM (
        SELECT unnest(string_to_array(NEW.named, ' ')) AS code
        UNION ALL SELECT NEW.currency WHERE NEW.currency <> '') moved
     WHERE NOT EXISTS (SELECT 1 FROM ledger_asset a WHERE a.code = moved.code);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'scenario % names %, and there is no such asset', NEW.code, unknown
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_stressscenario_names_assets';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION margin_scenarioset_has_scenarios() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM margin_stressscenario WHERE parent_id = NEW.id) THEN
        RAISE EXCEPTION 'set % has no scenario', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_scenarioset_has_scenarios';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION margin_stressrun_of_firm() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM margin_scenarioset
                    WHERE id = NEW.scenario_set_id AND broker_id = NEW.broker_id AND approval = 'approved') THEN
        RAISE EXCEPTION 'a stress test of broker % runs an approved set of its own, not %', NEW.broker_id,
            NEW.scenario_set_id USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_stressrun_of_firm';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER margin_stressscenario_with_set BEFORE INSERT ON margin_stressscenario
    FOR EACH ROW EXECUTE FUNCTION margin_stressscenario_with_set();
CREATE TRIGGER margin_stressscenario_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_stressscenario
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_scenarioset_has_scenarios BEFORE UPDATE ON margin_scenarioset FOR EACH ROW
    WHEN (NEW.approval = 'approved') EXECUTE FUNCTION margin_scenarioset_has_scenarios();
CREATE TRIGGER margin_scenarioset_keep_decision BEFORE UPDATE ON margin_scenarioset
    FOR EACH ROW EXECUTE FUNCTION core_keep_decision();
CREATE TRIGGER margin_scenarioset_kept BEFORE DELETE OR TRUNCATE ON margin_scenarioset
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_stressrun_of_firm BEFORE INSERT ON margin_stressrun
    FOR EACH ROW EXECUTE FUNCTION margin_stressrun_of_firm();
CREATE TRIGGER margin_stressrun_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_stressrun
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_stresstotal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_stresstotal
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_stressresult_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_stressresult
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_stressname_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_stressname
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_stressbreakeven_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_stressbreakeven
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER margin_stressbreakeven_append_only ON margin_stressbreakeven;
DROP TRIGGER margin_stressname_append_only ON margin_stressname;
DROP TRIGGER margin_stressresult_append_only ON margin_stressresult;
DROP TRIGGER margin_stresstotal_append_only ON margin_stresstotal;
DROP TRIGGER margin_stressrun_append_only ON margin_stressrun;
DROP TRIGGER margin_stressrun_of_firm ON margin_stressrun;
DROP TRIGGER margin_scenarioset_kept ON margin_scenarioset;
DROP TRIGGER margin_scenarioset_keep_decision ON margin_scenarioset;
DROP TRIGGER margin_scenarioset_has_scenarios ON margin_scenarioset;
DROP TRIGGER margin_stressscenario_append_only ON margin_stressscenario;
DROP TRIGGER margin_stressscenario_with_set ON margin_stressscenario;
DROP FUNCTION margin_stressrun_of_firm();
DROP FUNCTION margin_scenarioset_has_scenarios();
DROP FUNCTION margin_stressscenario_with_set();
