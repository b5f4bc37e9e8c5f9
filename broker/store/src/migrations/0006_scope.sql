-- `scope`: within what a transport id is one, beyond account and transport; empty: no more than these,
-- as for all that was accepted before. A constraint of SQLite changes only with its table, so the rows
-- move to a new one. Foreign keys are not watched while this runs; they are checked afterwards.
CREATE TABLE scoped_message (
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
    period          INTEGER NOT NULL REFERENCES wrapping_key (id),
    wrapped_key     BLOB    NOT NULL,
    scope           TEXT    NOT NULL DEFAULT '',
    UNIQUE (account, transport, transport_id, scope)
) STRICT;
INSERT INTO scoped_message (seq, hub_id, account, transport, transport_id, content_digest,
        business_author, business_uuid, author, reader, service, channel, accepted_at, leaf,
        payload_digest, first_state, not_before, expires, period, wrapped_key)
    SELECT seq, hub_id, account, transport, transport_id, content_digest,
        business_author, business_uuid, author, reader, service, channel, accepted_at, leaf,
        payload_digest, first_state, not_before, expires, period, wrapped_key
    FROM message ORDER BY seq;
DROP TABLE message;
ALTER TABLE scoped_message RENAME TO message;
CREATE INDEX message_transport_id ON message (transport_id);
CREATE INDEX message_business_id ON message (business_uuid, business_author)
    WHERE business_uuid IS NOT NULL;
CREATE INDEX message_author ON message (author, seq);
CREATE INDEX message_reader ON message (reader, seq);
CREATE INDEX message_service ON message (service, seq);
