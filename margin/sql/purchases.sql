-- What an order system was answered stays as it was answered.
CREATE TRIGGER margin_purchasecheck_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_purchasecheck
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER margin_purchasecheck_append_only ON margin_purchasecheck;
