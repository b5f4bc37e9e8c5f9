-- When a reserved name is to be removed with what is under it; none while it is in use. What there is
-- so far was left behind. `again`: it was removed before, and is to be once more.
ALTER TABLE reserved_file ADD COLUMN due INTEGER DEFAULT 0;
ALTER TABLE reserved_file ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
CREATE INDEX reserved_file_due ON reserved_file (due) WHERE due IS NOT NULL;
