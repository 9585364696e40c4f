-- What a backtest found stays as it was found.
CREATE TRIGGER margin_haircutbacktest_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_haircutbacktest
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_haircutoutcomerow_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_haircutoutcomerow
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER margin_haircutoutcomerow_append_only ON margin_haircutoutcomerow;
DROP TRIGGER margin_haircutbacktest_append_only ON margin_haircutbacktest;
