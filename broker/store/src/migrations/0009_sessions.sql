-- What transports remember of a conversation between two requests, sealed like content: `body` under a
-- data key of its own, that under the key of the key store with the number `period`. `ends`: from then on
-- it is not found, and is removed.
CREATE TABLE session (
    account     TEXT    NOT NULL,
    transport   TEXT    NOT NULL,
    id          BLOB    NOT NULL,
    revision    INTEGER NOT NULL,
    ends        INTEGER NOT NULL,
    period      INTEGER NOT NULL REFERENCES wrapping_key (id),
    wrapped_key BLOB    NOT NULL,
    size        INTEGER NOT NULL,
    sha256      BLOB    NOT NULL,
    body        BLOB    NOT NULL,
    PRIMARY KEY (account, transport, id)
) STRICT;
CREATE INDEX session_account ON session (account, ends);
CREATE INDEX session_ends ON session (ends);

-- Message ids that were given out to an account and are not used. The acceptance that uses one removes it;
-- what is left at its end is removed then.
CREATE TABLE issued_id (
    account   TEXT    NOT NULL,
    transport TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    ends      INTEGER NOT NULL,
    PRIMARY KEY (account, transport, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX issued_id_account ON issued_id (account, ends);
CREATE INDEX issued_id_ends ON issued_id (ends);
