-- How many deliveries one person alone did an act to, and when: one row for each decision. Rows older than
-- the longest span that may be set are removed when another is written.
CREATE TABLE done_alone (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    act         TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    certificate BYTEA NOT NULL,
    at          BIGINT NOT NULL,
    count       BIGINT NOT NULL
);
CREATE INDEX done_alone_lately ON done_alone (act, at);
