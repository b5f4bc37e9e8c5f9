-- A message may have several Readers: each has a row of its own in `message`, in the scope of that Reader.
-- No table changes: this number keeps programs away that cannot read such records.
SELECT 1 WHERE false;
