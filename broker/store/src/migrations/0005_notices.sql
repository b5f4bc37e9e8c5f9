-- What Authors are to be told, or were: written with the change of state that asks for it. `due`: from
-- when a notice is to be made; null when it is settled. `leaf`: the record of that change. `made`: the
-- notice.
CREATE TABLE notice (
    message INTEGER NOT NULL REFERENCES message (seq),
    kind    TEXT    NOT NULL,
    due     INTEGER,
    leaf    INTEGER REFERENCES leaf (idx),
    made    INTEGER REFERENCES message (seq),
    PRIMARY KEY (message, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_due ON notice (due, message) WHERE due IS NOT NULL;
