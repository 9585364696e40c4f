-- A row moves only along the transitions of its machine, and a terminal row never changes again.
CREATE FUNCTION margin_keep_states() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status IS DISTINCT FROM NEW.status AND NOT EXISTS (
        SELECT 1 FROM margin_transition t
         WHERE t.machine = TG_ARGV[0] AND t.from_state = OLD.status AND t.to_state = NEW.status)
    THEN
        RAISE EXCEPTION '% % may not go from % to %', TG_ARGV[0], OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_follows_its_states';
    END IF;
    IF OLD IS DISTINCT FROM NEW AND OLD.status = NEW.status AND NOT EXISTS (
        SELECT 1 FROM margin_transition t WHERE t.machine = TG_ARGV[0] AND t.from_state = OLD.status)
    THEN
        RAISE EXCEPTION '% % is closed and does not change', TG_ARGV[0], OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER margin_margincall_states BEFORE UPDATE ON margin_margincall
    FOR EACH ROW EXECUTE FUNCTION margin_keep_states('margin_call');
CREATE TRIGGER margin_forcedsale_states BEFORE UPDATE ON margin_forcedsale
    FOR EACH ROW EXECUTE FUNCTION margin_keep_states('forced_sale');
CREATE TRIGGER margin_saleorder_states BEFORE UPDATE ON margin_saleorder
    FOR EACH ROW EXECUTE FUNCTION margin_keep_states('sale_order');

-- The plan that was made is the plan that is approved.
CREATE FUNCTION margin_keep_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what row % of % was made with does not change', OLD.id, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER margin_forcedsale_plan BEFORE UPDATE ON margin_forcedsale FOR EACH ROW
    WHEN ((OLD.call_id, OLD.plan_number, OLD.valuation_id, OLD.plan, OLD.plan_hash)
          IS DISTINCT FROM (NEW.call_id, NEW.plan_number, NEW.valuation_id, NEW.plan, NEW.plan_hash))
    EXECUTE FUNCTION margin_keep_plan();
CREATE TRIGGER margin_marginpolicy_keep_decision BEFORE UPDATE ON margin_marginpolicy
    FOR EACH ROW EXECUTE FUNCTION collateral_keep_decision();

-- An order exists only under a released plan, and never for more than its leg.
CREATE FUNCTION margin_order_within_plan() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    leg margin_saleleg;
    sale_status text;
    committed numeric;
BEGIN
    SELECT * INTO leg FROM margin_saleleg WHERE id = NEW.leg_id FOR UPDATE;
    SELECT status INTO sale_status FROM margin_forcedsale WHERE id = leg.sale_id;
    IF sale_status <> 'executing' THEN
        RAISE EXCEPTION 'an order needs a released plan in execution, not %', sale_status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_saleorder_under_released_plan';
    END IF;
    SELECT coalesce(sum(CASE WHEN o.status IN ('filled', 'cancelled', 'rejected') THEN o.filled_quantity
                             ELSE o.quantity END), 0)
      INTO committed FROM margin_saleorder o WHERE o.leg_id = NEW.leg_id;
    IF committed + NEW.quantity > leg.quantity THEN
        RAISE EXCEPTION 'orders of leg % would exceed its % by %', leg.id, leg.quantity,
            committed + NEW.quantity - leg.quantity
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_saleorder_within_leg';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER margin_order_within_plan BEFORE INSERT ON margin_saleorder
    FOR EACH ROW EXECUTE FUNCTION margin_order_within_plan();

-- What was approved is what may be sold: legs come with their plan, and neither they nor an order's terms change.
CREATE FUNCTION margin_leg_with_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT status FROM margin_forcedsale WHERE id = NEW.sale_id) <> 'planned' THEN
        RAISE EXCEPTION 'sale % is past planning and takes no further leg', NEW.sale_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_saleleg_with_plan';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER margin_saleleg_with_plan BEFORE INSERT ON margin_saleleg
    FOR EACH ROW EXECUTE FUNCTION margin_leg_with_plan();
CREATE TRIGGER margin_saleleg_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_saleleg
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_saleorder_terms BEFORE UPDATE ON margin_saleorder FOR EACH ROW
    WHEN ((OLD.leg_id, OLD.client_order_id, OLD.slice_number, OLD.quantity, OLD.limit_price)
          IS DISTINCT FROM (NEW.leg_id, NEW.client_order_id, NEW.slice_number, NEW.quantity, NEW.limit_price))
    EXECUTE FUNCTION margin_keep_plan();
CREATE TRIGGER margin_saleorder_kept BEFORE DELETE OR TRUNCATE ON margin_saleorder
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- A trade changes once, when it settles; a day's interest changes once, when it is booked.
CREATE TRIGGER margin_fill_terms BEFORE UPDATE ON margin_fill FOR EACH ROW
    WHEN (OLD.settled_at IS NOT NULL
          OR (OLD.order_id, OLD.venue, OLD.execution_id, OLD.quantity, OLD.price, OLD.fx_rate_id, OLD.gross, OLD.fees,
              OLD.fees_total, OLD.net, OLD.gross_currency, OLD.fees_total_currency, OLD.net_currency, OLD.traded_at,
              OLD.settles_on, OLD.trade_journal_id)
             IS DISTINCT FROM
             (NEW.order_id, NEW.venue, NEW.execution_id, NEW.quantity, NEW.price, NEW.fx_rate_id, NEW.gross, NEW.fees,
              NEW.fees_total, NEW.net, NEW.gross_currency, NEW.fees_total_currency, NEW.net_currency, NEW.traded_at,
              NEW.settles_on, NEW.trade_journal_id))
    EXECUTE FUNCTION margin_keep_plan();
CREATE TRIGGER margin_fill_kept BEFORE DELETE OR TRUNCATE ON margin_fill
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_interestaccrual_terms BEFORE UPDATE ON margin_interestaccrual FOR EACH ROW
    WHEN (OLD.posting_id IS NOT NULL
          OR (OLD.facility_id, OLD.accrued_on, OLD.principal_within_atoms, OLD.principal_beyond_atoms,
              OLD.rate_per_annum, OLD.excess_rate_per_annum, OLD.numerator)
             IS DISTINCT FROM
             (NEW.facility_id, NEW.accrued_on, NEW.principal_within_atoms, NEW.principal_beyond_atoms,
              NEW.rate_per_annum, NEW.excess_rate_per_annum, NEW.numerator))
    EXECUTE FUNCTION margin_keep_plan();
CREATE TRIGGER margin_interestaccrual_kept BEFORE DELETE OR TRUNCATE ON margin_interestaccrual
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_interestposting_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_interestposting
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_loanmovement_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_loanmovement
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

CREATE TRIGGER margin_margincall_kept BEFORE DELETE OR TRUNCATE ON margin_margincall
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_forcedsale_kept BEFORE DELETE OR TRUNCATE ON margin_forcedsale
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_valuation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_valuation
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_valuationline_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_valuationline
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER margin_loanmovement_append_only ON margin_loanmovement;
DROP TRIGGER margin_interestposting_append_only ON margin_interestposting;
DROP TRIGGER margin_interestaccrual_kept ON margin_interestaccrual;
DROP TRIGGER margin_interestaccrual_terms ON margin_interestaccrual;
DROP TRIGGER margin_fill_kept ON margin_fill;
DROP TRIGGER margin_fill_terms ON margin_fill;
DROP TRIGGER margin_saleorder_kept ON margin_saleorder;
DROP TRIGGER margin_saleorder_terms ON margin_saleorder;
DROP TRIGGER margin_saleleg_append_only ON margin_saleleg;
DROP TRIGGER margin_saleleg_with_plan ON margin_saleleg;
DROP FUNCTION margin_leg_with_plan();
DROP TRIGGER margin_valuationline_append_only ON margin_valuationline;
DROP TRIGGER margin_valuation_append_only ON margin_valuation;
DROP TRIGGER margin_forcedsale_kept ON margin_forcedsale;
DROP TRIGGER margin_margincall_kept ON margin_margincall;
DROP TRIGGER margin_order_within_plan ON margin_saleorder;
DROP FUNCTION margin_order_within_plan();
DROP TRIGGER margin_marginpolicy_keep_decision ON margin_marginpolicy;
DROP TRIGGER margin_forcedsale_plan ON margin_forcedsale;
DROP FUNCTION margin_keep_plan();
DROP TRIGGER margin_saleorder_states ON margin_saleorder;
DROP TRIGGER margin_forcedsale_states ON margin_forcedsale;
DROP TRIGGER margin_margincall_states ON margin_margincall;
DROP FUNCTION margin_keep_states();
