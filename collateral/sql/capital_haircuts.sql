-- What was decided stays decided: a past return is made again from the rows it was made from.
CREATE TRIGGER collateral_capitalhaircut_keep_decision BEFORE UPDATE ON collateral_capitalhaircut
    FOR EACH ROW EXECUTE FUNCTION collateral_keep_decision();
CREATE TRIGGER collateral_capitalhaircut_kept BEFORE DELETE OR TRUNCATE ON collateral_capitalhaircut
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER collateral_capitalhaircut_kept ON collateral_capitalhaircut;
DROP TRIGGER collateral_capitalhaircut_keep_decision ON collateral_capitalhaircut;
