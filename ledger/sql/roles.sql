-- Who may do what to the books, as roles of PostgreSQL. `manage.py roles` prints this file, `--apply` carries it out, after
-- every `migrate`: run again it takes in what a migration brought. Needs the owner of the tables with CREATEROLE, or a
-- superuser.
--
--   owner                 whoever ran `migrate`. Nobody serves requests as the owner: it can switch the law off
--   lombard_poster        may call the posting functions and nothing else
--   lombard_reader        reads the ledger and writes nothing
--   lombard_sealer        reads, may call the function that seals, and tells of it: `manage.py seal`
--   lombard_application   what web and worker need: posts, reads, and keeps the records of the rooms around the books
--
-- None of them can log in; a login is made by the firm and given one of them. A partition is read through its parent.

SELECT pg_advisory_xact_lock(hashtextextended('ledger roles', 0));

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['lombard_poster', 'lombard_reader', 'lombard_sealer', 'lombard_application'] LOOP
        IF to_regrole(role) IS NULL THEN
            EXECUTE format('CREATE ROLE %I', role);
        END IF;
        EXECUTE format('ALTER ROLE %I NOLOGIN', role);
        -- From nothing each time, so that a right once given by hand does not stay.
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', role);
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM %I', role);
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM %I', role);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT lombard_reader TO lombard_sealer;
GRANT lombard_poster, lombard_sealer TO lombard_application;

-- PostgreSQL lets everybody call a new function; those of the books are for the law's triggers and the posting functions.
DO $$
DECLARE
    inner_function regprocedure;
BEGIN
    FOR inner_function IN
        SELECT p.oid FROM pg_proc p
         WHERE p.pronamespace = 'public'::regnamespace AND p.proname ~ '^(ledger|core)_'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', inner_function);
    END LOOP;
END $$;

-- The ways in run with the owner's rights and are named one by one. A function that only reads, with the rights of who
-- calls it, is for everybody who reads.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT p.oid::regprocedure AS name,
               CASE WHEN p.prosecdef AND p.proname = 'ledger_seal' THEN 'lombard_sealer'
                    WHEN p.prosecdef AND p.proname IN ('ledger_post', 'ledger_post_one', 'ledger_post_each', 'ledger_keep_refusal',
                                                       'ledger_open_accounts', 'ledger_ensure_partitions')
                    THEN 'lombard_poster'
                    WHEN NOT p.prosecdef AND p.provolatile <> 'v' THEN 'lombard_reader' END AS role
          FROM pg_proc p
         WHERE p.pronamespace = 'public'::regnamespace AND p.proname ~ '^ledger_'
    LOOP
        IF found.role IS NOT NULL THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', found.name, found.role);
        END IF;
    END LOOP;
END $$;

-- What the law does on behalf of a row around the books, a hold that is placed, a limit that comes in force, a period that
-- closes, it does as the owner. The books proper are written as the owner already.
DO $$
DECLARE
    law regprocedure;
BEGIN
    FOR law IN
        SELECT DISTINCT p.oid FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
         WHERE p.proname ~ '^ledger_' AND NOT p.prosecdef AND NOT c.relispartition
           AND c.relname NOT IN ('ledger_journal', 'ledger_entry', 'ledger_key', 'ledger_balance')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = public, pg_temp', law);
    END LOOP;
END $$;

DO $$
DECLARE
    found record;
    rights text;
BEGIN
    FOR found IN
        SELECT c.oid::regclass AS name, c.relname, coalesce(bit_or(t.tgtype), 0) AS refused
          FROM pg_class c
          LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgfoid = to_regproc('core_refuse_change')
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
         GROUP BY c.oid
    LOOP
        IF found.relname ~ '^ledger_' OR found.relname = 'core_event' THEN
            EXECUTE format('GRANT SELECT ON %s TO lombard_reader', found.name);
        END IF;
        IF found.relname = 'core_event' THEN
            EXECUTE format('GRANT INSERT ON %s TO lombard_sealer', found.name);
        END IF;
        -- The books proper are written by the ways in alone. What else the ledger only adds to (core_refuse_change)
        -- may not be changed by grant either: 8 is DELETE, 16 UPDATE in a trigger's type. The rooms above lock such rows.
        rights := CASE
            WHEN found.relname IN ('ledger_journal', 'ledger_entry', 'ledger_key', 'ledger_block', 'ledger_block_leaves',
                                   'ledger_balance_day', 'ledger_period_balance', 'django_migrations') THEN 'SELECT'
            WHEN found.relname = 'ledger_balance' THEN 'SELECT, UPDATE (floor_atoms, ceiling_atoms)'
            WHEN found.relname = 'ledger_account' THEN 'SELECT, UPDATE'
            WHEN found.relname !~ '^(ledger|core)_' THEN 'SELECT, INSERT, UPDATE, DELETE'
            ELSE 'SELECT, INSERT' || CASE WHEN found.refused & 16 = 0 THEN ', UPDATE' ELSE '' END
                                  || CASE WHEN found.refused & 8 = 0 THEN ', DELETE' ELSE '' END END;
        EXECUTE format('GRANT %s ON %s TO lombard_application', rights, found.name);
    END LOOP;
END $$;
