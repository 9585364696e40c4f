-- L21, for the hashes a block keeps of its journals, a table that came after the blocks. Hashes do not compress.
ALTER TABLE ledger_block_leaves ALTER COLUMN leaves SET STORAGE EXTERNAL;
CREATE OR REPLACE TRIGGER ledger_block_leaves_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_block_leaves
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
