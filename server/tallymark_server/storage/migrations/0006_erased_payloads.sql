-- Of an old entry what it told may be erased. Its hash stays, which is what the chain was made with.

ALTER TABLE journal ADD COLUMN payload_sha256 TEXT NOT NULL DEFAULT '';  -- hexadecimal; empty as long as the payload is there

DROP TRIGGER journal_keeps_its_entries;

CREATE TRIGGER journal_keeps_its_entries BEFORE UPDATE ON journal
WHEN NOT (
    NEW.payload = '' AND OLD.payload_sha256 = '' AND length(NEW.payload_sha256) = 64
    AND (NEW.partition, NEW.sequence, NEW.decided_at, NEW.command) = (OLD.partition, OLD.sequence, OLD.decided_at, OLD.command)
    AND (NEW.caller, NEW.process_id, NEW.state, NEW.chain_hash) = (OLD.caller, OLD.process_id, OLD.state, OLD.chain_hash)
)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
