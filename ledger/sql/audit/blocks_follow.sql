-- Blocks of a book are numbered 1, 2, 3, each begins where the last one ends, names its hash, and has the hash of what it
-- says; and every one was told of in the outbox with that hash, and none that was told of is gone.
SELECT format('block %s of %s', r.number, r.code),
       CASE WHEN r.number <> r.place THEN format('comes as number %s', r.place)
            WHEN r.from_transaction <> coalesce(r.last_end, '0'::xid8) OR r.to_transaction <= r.from_transaction
            THEN format('covers transactions %s to %s after one that ended at %s', r.from_transaction, r.to_transaction,
                        coalesce(r.last_end, '0'::xid8))
            WHEN r.previous_hash <> coalesce(r.last_hash, decode(repeat('00', 32), 'hex'))
            THEN 'does not name the hash of the block before it'
            ELSE 'its hash is not that of what it says' END
  FROM (SELECT b.*, k.code, ledger_block_hash(b) AS own_hash, row_number() OVER chain AS place,
               lag(b.to_transaction) OVER chain AS last_end, lag(b.hash) OVER chain AS last_hash
          FROM ledger_block b JOIN ledger_book k ON k.id = b.book_id
        WINDOW chain AS (PARTITION BY b.book_id ORDER BY b.number)) r
 WHERE r.number <> r.place OR r.from_transaction <> coalesce(r.last_end, '0'::xid8)
    OR r.to_transaction <= r.from_transaction
    OR r.previous_hash <> coalesce(r.last_hash, decode(repeat('00', 32), 'hex')) OR r.hash <> r.own_hash
 UNION ALL
SELECT format('block %s of %s', coalesce(b.number::text, e.payload->>'number'), coalesce(b.code, e.broker_code)),
       CASE WHEN b.id IS NULL THEN format('event %s told of it and it does not exist', e.id)
            WHEN e.id IS NULL THEN 'no event told of it'
            ELSE format('event %s told of another hash', e.id) END
  FROM (SELECT b.*, k.code FROM ledger_block b JOIN ledger_book k ON k.id = b.book_id) b
  FULL JOIN (SELECT * FROM core_event WHERE topic = 'ledger.block.sealed') e
    ON e.broker_code = b.code AND e.payload->>'number' = b.number::text
 WHERE b.id IS NULL OR e.id IS NULL OR e.payload->>'hash' <> encode(b.hash, 'hex')
