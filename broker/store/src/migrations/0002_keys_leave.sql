-- Period keys leave the database for the key store. Before this runs, every key is durable there,
-- and the temporary table exported_key says which number has become which key.
--
-- What stays: which key of the key store wrapped the data keys with this number.
ALTER TABLE period_key RENAME TO wrapping_key;
ALTER TABLE wrapping_key RENAME COLUMN period TO key_id;
UPDATE wrapping_key
    SET key_id = (SELECT e.key_id FROM temp.exported_key AS e WHERE e.number = wrapping_key.id);
ALTER TABLE wrapping_key DROP COLUMN wrapped;

-- The key store knows its master key by itself.
DELETE FROM meta WHERE name = 'master-key-check';

-- Until the write-ahead log was emptied the keys still stand in it.
INSERT INTO meta (name, value) VALUES ('keys-in-the-log', x'01');
