-- Where a delivery goes, if not by the way it was accepted for; `by_hand`: a person named it.
ALTER TABLE delivery ADD COLUMN channel TEXT;
ALTER TABLE delivery ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0;

-- Why a delivery is in clearing; null otherwise.
ALTER TABLE delivery ADD COLUMN cause TEXT;
UPDATE delivery SET cause = json_extract(state, '$.cause') WHERE word = 'in-clearing';
CREATE INDEX delivery_clearing ON delivery (since, seq) WHERE cause IS NOT NULL;
CREATE INDEX delivery_cause ON delivery (cause, since, seq) WHERE cause IS NOT NULL;

-- Who has taken which case. A delivery that leaves clearing loses its row.
CREATE TABLE taken_case (
    seq         INTEGER NOT NULL PRIMARY KEY REFERENCES delivery (seq),
    name        TEXT    NOT NULL,
    certificate BLOB    NOT NULL,
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX taken_case_by ON taken_case (certificate, seq);

-- Acts that wait for, or had, a second person. `number` is their order; `finished`: granted, and
-- nothing is left to be carried out.
CREATE TABLE proposal (
    number             INTEGER NOT NULL PRIMARY KEY,
    id                 TEXT    NOT NULL UNIQUE,
    act                TEXT    NOT NULL,
    digest             BLOB    NOT NULL,
    name               TEXT    NOT NULL,
    certificate        BLOB    NOT NULL,
    reason             TEXT    NOT NULL,
    made_at            INTEGER NOT NULL,
    expires            INTEGER NOT NULL,
    standing           TEXT    NOT NULL,
    judged_name        TEXT,
    judged_certificate BLOB,
    judged_reason      TEXT,
    judged_at          INTEGER,
    finished           INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX proposal_open ON proposal (standing, expires);
CREATE INDEX proposal_going_on ON proposal (standing, finished, number);

-- The deliveries of a proposal in their order. `decided` is what became of each.
CREATE TABLE proposal_target (
    proposal INTEGER NOT NULL REFERENCES proposal (number),
    n        INTEGER NOT NULL,
    hub_id   TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    channel  TEXT,
    decided  TEXT,
    PRIMARY KEY (proposal, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX proposal_target_open ON proposal_target (proposal, n) WHERE decided IS NULL;
