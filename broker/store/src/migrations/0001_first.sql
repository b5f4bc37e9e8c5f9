-- What the store itself needs to know: origin and verifier key of the log, a value to recognise
-- the master key by, the fence.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('fence', x'');

-- One key per month wraps the data keys of what was accepted in it; the master key wraps it.
CREATE TABLE period_key (
    id      INTEGER NOT NULL PRIMARY KEY,
    period  TEXT    NOT NULL UNIQUE,
    wrapped BLOB    NOT NULL,
    made_at INTEGER NOT NULL
) STRICT;

-- A message as it was accepted. Rows never change. Times are microseconds since 1970, UTC.
-- What was recorded is the leaf's record and stands only there.
CREATE TABLE message (
    seq             INTEGER NOT NULL PRIMARY KEY,
    hub_id          TEXT    NOT NULL UNIQUE,
    account         TEXT    NOT NULL,
    transport       TEXT    NOT NULL,
    transport_id    TEXT    NOT NULL,
    content_digest  BLOB    NOT NULL,
    business_author TEXT,
    business_uuid   TEXT,
    author          TEXT    NOT NULL,
    reader          TEXT    NOT NULL,
    service         TEXT    NOT NULL,
    channel         TEXT    NOT NULL,
    accepted_at     INTEGER NOT NULL,
    leaf            INTEGER NOT NULL,
    payload_digest  BLOB,
    first_state     TEXT    NOT NULL,
    not_before      INTEGER,
    expires         INTEGER,
    period          INTEGER NOT NULL REFERENCES period_key (id),
    wrapped_key     BLOB    NOT NULL,
    UNIQUE (account, transport, transport_id)
) STRICT;
CREATE INDEX message_transport_id ON message (transport_id);
CREATE INDEX message_business_id ON message (business_uuid, business_author)
    WHERE business_uuid IS NOT NULL;
CREATE INDEX message_author ON message (author, seq);
CREATE INDEX message_reader ON message (reader, seq);
CREATE INDEX message_service ON message (service, seq);

-- The one state of each message. `state` is the whole of it, `word` its word. The columns
-- `inbox`, `ready` and `ends` say which list the delivery stands in, and are null otherwise:
-- the reader whose inbox shows it; from when a worker may lease it; when its expiry applies.
-- `peer` is to whom a worker would send it; it never changes.
CREATE TABLE delivery (
    seq           INTEGER NOT NULL PRIMARY KEY REFERENCES message (seq),
    state         TEXT    NOT NULL,
    word          TEXT    NOT NULL,
    since         INTEGER NOT NULL,
    due           INTEGER,
    revision      INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    peer          TEXT    NOT NULL,
    inbox         TEXT,
    ready         INTEGER,
    ends          INTEGER,
    lease         INTEGER NOT NULL,
    lease_until   INTEGER,
    open_attempt  INTEGER NOT NULL
) STRICT;
CREATE INDEX delivery_inbox ON delivery (inbox, seq, due, ends) WHERE inbox IS NOT NULL;
CREATE INDEX delivery_ready ON delivery (peer, ready, seq) WHERE ready IS NOT NULL;
CREATE INDEX delivery_ends ON delivery (ends) WHERE ends IS NOT NULL;
CREATE INDEX delivery_open ON delivery (lease_until) WHERE open_attempt = 1;
CREATE INDEX delivery_word ON delivery (word, seq);
CREATE INDEX delivery_uncertain ON delivery (due) WHERE word = 'uncertain';

-- To which accounts octets were handed out.
CREATE TABLE handed_out (
    message INTEGER NOT NULL REFERENCES message (seq),
    account TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (message, account)
) STRICT, WITHOUT ROWID;

-- Sealed octets: in the row, or in the file named.
CREATE TABLE payload (
    message    INTEGER NOT NULL REFERENCES message (seq),
    part       INTEGER NOT NULL,
    cid        TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    sha256     BLOB    NOT NULL,
    file       TEXT,
    body       BLOB,
    PRIMARY KEY (message, part),
    CHECK ((file IS NULL) <> (body IS NULL))
) STRICT;

-- Names of payload files that may exist and belong to no message yet.
CREATE TABLE reserved_file (
    name TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The evidence log. `record` is the canonical record, `hash` the leaf hash over the salted
-- commitment; complete subtrees above the leaves are nodes. Rows never change.
CREATE TABLE leaf (
    idx     INTEGER NOT NULL PRIMARY KEY,
    hash    BLOB    NOT NULL,
    salt    BLOB    NOT NULL,
    record  BLOB    NOT NULL,
    at      INTEGER NOT NULL,
    message INTEGER REFERENCES message (seq)
) STRICT;
CREATE INDEX leaf_message ON leaf (message, idx) WHERE message IS NOT NULL;

CREATE TABLE node (
    level INTEGER NOT NULL,
    idx   INTEGER NOT NULL,
    hash  BLOB    NOT NULL,
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

-- The sequencer: one row, the newest signed head.
CREATE TABLE log_head (
    one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    note TEXT    NOT NULL,
    at   INTEGER NOT NULL
) STRICT;

-- Receipts of messages, by the word of the state they prove.
CREATE TABLE receipt (
    leaf    INTEGER NOT NULL PRIMARY KEY REFERENCES leaf (idx),
    message INTEGER NOT NULL REFERENCES message (seq),
    kind    TEXT    NOT NULL,
    body    BLOB    NOT NULL
) STRICT;
CREATE INDEX receipt_message ON receipt (message, kind, leaf);
