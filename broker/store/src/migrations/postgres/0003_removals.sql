-- When a reserved name is to be removed with what is under it; none while it is in use. `again`: it was
-- removed before, and is to be once more.
ALTER TABLE reserved_file ADD COLUMN due BIGINT;
ALTER TABLE reserved_file ADD COLUMN again BIGINT NOT NULL DEFAULT 0;
CREATE INDEX reserved_file_due ON reserved_file (holder, due);

-- When this life last said that it is at work; never by a program that does not know the column.
ALTER TABLE node_life ADD COLUMN seen BIGINT;
