-- What transports remember of a conversation between two requests, sealed like content: `body` under a
-- data key of its own, that under the key of the key store with the number `period`. `ends`: from then on
-- it is not found, and is removed.
CREATE TABLE session (
    account     TEXT COLLATE "C" NOT NULL,
    transport   TEXT COLLATE "C" NOT NULL,
    id          BYTEA  NOT NULL,
    revision    BIGINT NOT NULL,
    ends        BIGINT NOT NULL,
    period      BIGINT NOT NULL REFERENCES wrapping_key (id),
    wrapped_key BYTEA  NOT NULL,
    size        BIGINT NOT NULL,
    sha256      BYTEA  NOT NULL,
    body        BYTEA  NOT NULL,
    PRIMARY KEY (account, transport, id)
);
-- Sealed octets do not get smaller.
ALTER TABLE session ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX session_account ON session (account, ends);
CREATE INDEX session_ends ON session (ends);

-- Message ids that were given out to an account and are not used. The acceptance that uses one removes it;
-- what is left at its end is removed then.
CREATE TABLE issued_id (
    account   TEXT COLLATE "C" NOT NULL,
    transport TEXT COLLATE "C" NOT NULL,
    id        TEXT COLLATE "C" NOT NULL,
    ends      BIGINT NOT NULL,
    PRIMARY KEY (account, transport, id)
);
CREATE INDEX issued_id_account ON issued_id (account, ends);
CREATE INDEX issued_id_ends ON issued_id (ends);
