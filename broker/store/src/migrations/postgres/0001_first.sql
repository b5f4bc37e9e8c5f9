-- The tables of the store on PostgreSQL. They are those of SQLite, column for column, with these
-- differences: integers, times and flags are BIGINT; numbers are given out by the database; text is
-- compared octet by octet; and what belongs to a node says to which of its lives.

-- A life of a node begins when its process starts. Only the newest life of a name may write.
CREATE TABLE node_life (
    life BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    at   BIGINT NOT NULL
);
CREATE INDEX node_life_name ON node_life (name, life);

-- Origin and verifier key of the log; which folder the payload files lie in.
CREATE TABLE meta (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE wrapping_key (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_id  TEXT COLLATE "C" NOT NULL UNIQUE,
    made_at BIGINT NOT NULL
);

-- Rows never change. Numbers are given out under the lock of log_head, so they grow in the order of
-- the commits; some are missing.
CREATE TABLE message (
    seq             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub_id          TEXT COLLATE "C" NOT NULL UNIQUE,
    account         TEXT COLLATE "C" NOT NULL,
    transport       TEXT COLLATE "C" NOT NULL,
    transport_id    TEXT COLLATE "C" NOT NULL,
    content_digest  BYTEA NOT NULL,
    business_author TEXT COLLATE "C",
    business_uuid   TEXT COLLATE "C",
    author          TEXT COLLATE "C" NOT NULL,
    reader          TEXT COLLATE "C" NOT NULL,
    service         TEXT COLLATE "C" NOT NULL,
    channel         TEXT COLLATE "C" NOT NULL,
    accepted_at     BIGINT NOT NULL,
    leaf            BIGINT NOT NULL,
    payload_digest  BYTEA,
    first_state     TEXT COLLATE "C" NOT NULL,
    not_before      BIGINT,
    expires         BIGINT,
    period          BIGINT NOT NULL REFERENCES wrapping_key (id),
    wrapped_key     BYTEA NOT NULL,
    UNIQUE (account, transport, transport_id)
);
CREATE INDEX message_transport_id ON message (transport_id);
CREATE INDEX message_business_id ON message (business_uuid, business_author)
    WHERE business_uuid IS NOT NULL;
CREATE INDEX message_author ON message (author, seq);
CREATE INDEX message_reader ON message (reader, seq);
CREATE INDEX message_service ON message (service, seq);

-- `holder` is the life that took the newest lease.
CREATE TABLE delivery (
    seq           BIGINT NOT NULL PRIMARY KEY REFERENCES message (seq),
    state         TEXT COLLATE "C" NOT NULL,
    word          TEXT COLLATE "C" NOT NULL,
    since         BIGINT NOT NULL,
    due           BIGINT,
    revision      BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    peer          TEXT COLLATE "C" NOT NULL,
    inbox         TEXT COLLATE "C",
    ready         BIGINT,
    ends          BIGINT,
    lease         BIGINT NOT NULL,
    lease_until   BIGINT,
    open_attempt  BIGINT NOT NULL,
    holder        BIGINT REFERENCES node_life (life),
    channel       TEXT COLLATE "C",
    by_hand       BIGINT NOT NULL DEFAULT 0,
    cause         TEXT COLLATE "C",
    lane          TEXT COLLATE "C" NOT NULL DEFAULT '',
    conversation  TEXT COLLATE "C",
    queue         TEXT COLLATE "C"
);
CREATE INDEX delivery_inbox ON delivery (inbox, seq, due, ends) WHERE inbox IS NOT NULL;
CREATE INDEX delivery_ready ON delivery (peer, lane, ready, seq) WHERE ready IS NOT NULL;
CREATE INDEX delivery_queue ON delivery (queue, seq) WHERE queue IS NOT NULL;
CREATE UNIQUE INDEX delivery_going ON delivery (conversation)
    WHERE conversation IS NOT NULL AND (ready IS NOT NULL OR lease_until IS NOT NULL);
CREATE INDEX delivery_ends ON delivery (ends) WHERE ends IS NOT NULL;
CREATE INDEX delivery_open ON delivery (lease_until) WHERE open_attempt = 1;
CREATE INDEX delivery_leased ON delivery (holder) WHERE lease_until IS NOT NULL;
CREATE INDEX delivery_word ON delivery (word, seq);
CREATE INDEX delivery_uncertain ON delivery (due) WHERE word = 'uncertain';
CREATE INDEX delivery_clearing ON delivery (since, seq) WHERE cause IS NOT NULL;
CREATE INDEX delivery_cause ON delivery (cause, since, seq) WHERE cause IS NOT NULL;

CREATE TABLE handed_out (
    message BIGINT NOT NULL REFERENCES message (seq),
    account TEXT COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (message, account)
);

CREATE TABLE payload (
    message    BIGINT NOT NULL REFERENCES message (seq),
    part       BIGINT NOT NULL,
    cid        TEXT COLLATE "C" NOT NULL,
    media_type TEXT COLLATE "C" NOT NULL,
    size       BIGINT NOT NULL,
    sha256     BYTEA NOT NULL,
    file       TEXT COLLATE "C",
    body       BYTEA,
    PRIMARY KEY (message, part),
    CHECK ((file IS NULL) <> (body IS NULL))
);
-- Sealed octets do not get smaller.
ALTER TABLE payload ALTER COLUMN body SET STORAGE EXTERNAL;

-- `holder` is the life that reserved the name.
CREATE TABLE reserved_file (
    name   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder BIGINT REFERENCES node_life (life)
);

CREATE TABLE leaf (
    idx     BIGINT NOT NULL PRIMARY KEY,
    hash    BYTEA NOT NULL,
    salt    BYTEA NOT NULL,
    record  BYTEA NOT NULL,
    at      BIGINT NOT NULL,
    message BIGINT REFERENCES message (seq)
);
CREATE INDEX leaf_message ON leaf (message, idx) WHERE message IS NOT NULL;

CREATE TABLE node (
    level BIGINT NOT NULL,
    idx   BIGINT NOT NULL,
    hash  BYTEA NOT NULL,
    PRIMARY KEY (level, idx)
);

-- The sequencer: whoever writes has locked its one row (or, before there is one, a lock of the server).
CREATE TABLE log_head (
    one  BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    size BIGINT NOT NULL,
    note TEXT COLLATE "C" NOT NULL,
    at   BIGINT NOT NULL
);

CREATE TABLE receipt (
    leaf    BIGINT NOT NULL PRIMARY KEY REFERENCES leaf (idx),
    message BIGINT NOT NULL REFERENCES message (seq),
    kind    TEXT COLLATE "C" NOT NULL,
    body    BYTEA NOT NULL
);
CREATE INDEX receipt_message ON receipt (message, kind, leaf);

CREATE TABLE taken_case (
    seq         BIGINT NOT NULL PRIMARY KEY REFERENCES delivery (seq),
    name        TEXT COLLATE "C" NOT NULL,
    certificate BYTEA NOT NULL,
    at          BIGINT NOT NULL
);
CREATE INDEX taken_case_by ON taken_case (certificate, seq);

CREATE TABLE proposal (
    number             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id                 TEXT COLLATE "C" NOT NULL UNIQUE,
    act                TEXT COLLATE "C" NOT NULL,
    digest             BYTEA NOT NULL,
    name               TEXT COLLATE "C" NOT NULL,
    certificate        BYTEA NOT NULL,
    reason             TEXT COLLATE "C" NOT NULL,
    made_at            BIGINT NOT NULL,
    expires            BIGINT NOT NULL,
    standing           TEXT COLLATE "C" NOT NULL,
    judged_name        TEXT COLLATE "C",
    judged_certificate BYTEA,
    judged_reason      TEXT COLLATE "C",
    judged_at          BIGINT,
    finished           BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX proposal_open ON proposal (standing, expires);
CREATE INDEX proposal_going_on ON proposal (standing, finished, number);

CREATE TABLE proposal_target (
    proposal BIGINT NOT NULL REFERENCES proposal (number),
    n        BIGINT NOT NULL,
    hub_id   TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    channel  TEXT COLLATE "C",
    decided  TEXT COLLATE "C",
    PRIMARY KEY (proposal, n)
);
CREATE INDEX proposal_target_open ON proposal_target (proposal, n) WHERE decided IS NULL;

CREATE TABLE notice (
    message BIGINT NOT NULL REFERENCES message (seq),
    kind    TEXT COLLATE "C" NOT NULL,
    due     BIGINT,
    leaf    BIGINT REFERENCES leaf (idx),
    made    BIGINT REFERENCES message (seq),
    PRIMARY KEY (message, kind)
);
CREATE INDEX notice_due ON notice (due, message) WHERE due IS NOT NULL;
