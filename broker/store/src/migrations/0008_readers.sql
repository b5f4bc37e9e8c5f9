-- A message may have several Readers. Each has a row of its own in `message`, with its record, receipt and
-- delivery; the scope of all but the first begins with the Reader, so the constraint stays as it is, and the
-- rows of their parts name the same files. No table changes: this number keeps programs away that cannot read
-- such records.
SELECT 1 WHERE 0;
