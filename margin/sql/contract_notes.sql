-- Contract notes follow on one another without a gap, say what they are hashed from, and stay as they were issued.
CREATE FUNCTION margin_contractnote_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before margin_contractnote;
    last integer;
BEGIN
    PERFORM 1 FROM margin_broker WHERE id = NEW.broker_id FOR NO KEY UPDATE;
    IF NEW.version = 1 THEN
        SELECT coalesce(max(n.number), 0) INTO last
          FROM margin_contractnote n WHERE n.broker_id = NEW.broker_id AND n.year = NEW.year;
        IF NEW.number <> last + 1 THEN
            RAISE EXCEPTION 'contract note % of % follows on %', NEW.number, NEW.year, last
                USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_contractnote_without_gap';
        END IF;
    ELSE
        SELECT * INTO before FROM margin_contractnote WHERE id = NEW.corrects_id;
        IF (before.broker_id, before.client_id, before.year, before.number, before.traded_on, before.asset_id,
            before.side, before.version + 1)
           IS DISTINCT FROM (NEW.broker_id, NEW.client_id, NEW.year, NEW.number, NEW.traded_on, NEW.asset_id,
                             NEW.side, NEW.version::integer) THEN
            RAISE EXCEPTION 'contract note %-% version % corrects another note', NEW.year, NEW.number, NEW.version
                USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_contractnote_corrects_its_own';
        END IF;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM margin_client WHERE id = NEW.client_id AND broker_id = NEW.broker_id)
       OR NEW.content_hash <> encode(sha256(convert_to(NEW.content, 'UTF8')), 'hex')
       OR NEW.document_hash <> encode(sha256(NEW.document), 'hex') THEN
        RAISE EXCEPTION 'contract note %-% does not hold what its hash says', NEW.year, NEW.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_contractnote_is_what_it_says';
    END IF;
    RETURN NEW;
END $$;

-- A note tells of trades of its own client, day and asset.
CREATE FUNCTION margin_contractnotetrade_fits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1
          FROM margin_contractnote n
          JOIN margin_fill l ON l.id = NEW.fill_id
          JOIN margin_saleorder o ON o.id = l.order_id
          JOIN margin_saleleg g ON g.id = o.leg_id AND g.asset_id = n.asset_id
          JOIN margin_forcedsale f ON f.id = g.sale_id
          JOIN margin_margincall m ON m.id = f.call_id
          JOIN margin_facility y ON y.id = m.facility_id AND y.client_id = n.client_id
         WHERE n.id = NEW.note_id AND (l.traded_at AT TIME ZONE 'Asia/Hong_Kong')::date = n.traded_on
           AND n.content::jsonb -> 'trades' @> jsonb_build_array(jsonb_build_object('execution', l.execution_id)))
    THEN
        RAISE EXCEPTION 'trade % is none of contract note %', NEW.fill_id, NEW.note_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'margin_contractnotetrade_fits';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER margin_contractnote_follows BEFORE INSERT ON margin_contractnote
    FOR EACH ROW EXECUTE FUNCTION margin_contractnote_follows();
CREATE TRIGGER margin_contractnote_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_contractnote
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER margin_contractnotetrade_fits BEFORE INSERT ON margin_contractnotetrade
    FOR EACH ROW EXECUTE FUNCTION margin_contractnotetrade_fits();
CREATE TRIGGER margin_contractnotetrade_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON margin_contractnotetrade
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- reverse --
DROP TRIGGER margin_contractnotetrade_append_only ON margin_contractnotetrade;
DROP TRIGGER margin_contractnotetrade_fits ON margin_contractnotetrade;
DROP TRIGGER margin_contractnote_append_only ON margin_contractnote;
DROP TRIGGER margin_contractnote_follows ON margin_contractnote;
DROP FUNCTION margin_contractnotetrade_fits();
DROP FUNCTION margin_contractnote_follows();
