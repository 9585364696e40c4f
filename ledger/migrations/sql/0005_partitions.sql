-- Journals and entries move to tables partitioned by month, along the time in a journal's id. What was booked is copied
-- as it stands, keys get a table of their own, and foreign keys of other rooms are made anew.
DROP FUNCTION ledger_post(bigint, timestamptz, text, uuid[], text[], bytea[], text[], date[], text[], text[], uuid[],
                          integer[], bigint[], atoms[]);
CREATE SCHEMA ledger_before;
ALTER TABLE ledger_entry SET SCHEMA ledger_before;
ALTER TABLE ledger_journal SET SCHEMA ledger_before;

ALTER TABLE ledger_account ADD COLUMN slot smallint NOT NULL DEFAULT 0 CHECK (slot >= 0);
ALTER TABLE ledger_account ADD COLUMN stock_location_id bigint;
ALTER TABLE ledger_account ADD COLUMN closed_at timestamptz;
ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_key_once;
ALTER TABLE ledger_account ADD CONSTRAINT ledger_account_key_once
    UNIQUE NULLS NOT DISTINCT (book_id, owner, role, asset_id, location_id, slot);
ALTER TABLE ledger_book ADD COLUMN closed_through date;
ALTER TABLE ledger_balance ADD COLUMN held_debit_atoms atoms NOT NULL DEFAULT 0;
ALTER TABLE ledger_balance ADD COLUMN held_credit_atoms atoms NOT NULL DEFAULT 0;
ALTER TABLE ledger_balance DROP CONSTRAINT ledger_balance_within_bounds;
ALTER TABLE ledger_balance ADD CONSTRAINT ledger_balance_within_bounds CHECK (
    (floor_atoms IS NULL OR net_atoms - held_credit_atoms >= floor_atoms)
    AND (ceiling_atoms IS NULL OR net_atoms + held_debit_atoms <= ceiling_atoms));
ALTER TABLE ledger_balance ADD CONSTRAINT ledger_balance_holds_are_positive CHECK (
    held_debit_atoms >= 0 AND held_credit_atoms >= 0);
-- A balance changes in place: its row stays on its page and no index of it moves.
ALTER TABLE ledger_balance SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

UPDATE ledger_account a SET stock_location_id = a.location_id FROM ledger_asset s WHERE s.id = a.asset_id AND s.is_located;

-- A balance carries what the law asks of its account.
ALTER TABLE ledger_balance ADD COLUMN book_id bigint, ADD COLUMN asset_id bigint, ADD COLUMN stock_location_id bigint,
    ADD COLUMN "freeze" varchar(6) NOT NULL DEFAULT 'none';
ALTER TABLE ledger_balance DISABLE TRIGGER USER;
UPDATE ledger_balance b
   SET book_id = c.book_id, asset_id = c.asset_id, stock_location_id = c.stock_location_id,
       "freeze" = CASE WHEN c.closed_at IS NULL THEN c.freeze ELSE 'closed' END
  FROM ledger_account c WHERE c.id = b.account_id;
ALTER TABLE ledger_balance ENABLE TRIGGER USER;
ALTER TABLE ledger_balance ALTER COLUMN book_id SET NOT NULL, ALTER COLUMN asset_id SET NOT NULL;

CREATE TABLE ledger_journal (
    id uuid NOT NULL,
    book_id bigint NOT NULL,
    idempotency_key varchar(200) NOT NULL,
    body_hash bytea NOT NULL,
    kind varchar(40) NOT NULL,
    value_on date NOT NULL,
    booked_at timestamptz NOT NULL,
    actor varchar(150) NOT NULL,
    cause varchar(120) NOT NULL,
    narrative varchar(200) NOT NULL,
    entry_count smallint NOT NULL,
    reversal_of_id uuid,
    hold_id uuid,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT ledger_journal_pkey PRIMARY KEY (id),
    CONSTRAINT ledger_journal_has_entries CHECK (entry_count >= 2)
) PARTITION BY RANGE (id);
CREATE INDEX ledger_journal_order ON ledger_journal (transaction, id);
CREATE INDEX ledger_journal_cause ON ledger_journal (cause) WHERE cause <> '';
CREATE INDEX ledger_journal_reversal_of ON ledger_journal (reversal_of_id) WHERE reversal_of_id IS NOT NULL;
CREATE INDEX ledger_journal_hold ON ledger_journal (hold_id) WHERE hold_id IS NOT NULL;

CREATE TABLE ledger_entry (
    id bigint GENERATED ALWAYS AS IDENTITY,
    journal_id uuid NOT NULL,
    position smallint NOT NULL,
    account_id bigint NOT NULL,
    amount_atoms atoms NOT NULL,
    balance_atoms atoms NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT ledger_entry_pkey PRIMARY KEY (journal_id, position),
    CONSTRAINT ledger_entry_moves_something CHECK (amount_atoms <> 0)
) PARTITION BY RANGE (journal_id);

CREATE TABLE ledger_key (
    book_id bigint NOT NULL,
    key varchar(200) NOT NULL,
    journal_id uuid,
    body_hash bytea,
    refusal jsonb,
    CONSTRAINT ledger_key_pkey PRIMARY KEY (book_id, key),
    CONSTRAINT ledger_key_is_answered CHECK (
        (journal_id IS NULL) <> (refusal IS NULL) AND (refusal IS NULL) = (body_hash IS NULL))
);

-- reverse --
DO $$ BEGIN RAISE EXCEPTION 'journals kept by month are not put back into one table'; END $$;
