-- How many deliveries one person alone did an act to, and when: one row for each decision. Rows older than
-- the longest span that may be set are removed when another is written.
CREATE TABLE done_alone (
    number      INTEGER NOT NULL PRIMARY KEY,
    act         TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    certificate BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    count       INTEGER NOT NULL
) STRICT;
CREATE INDEX done_alone_lately ON done_alone (act, at);
