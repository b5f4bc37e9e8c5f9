-- `scope`: within what a transport id is one, beyond account and transport; empty: no more than these,
-- as for all that was accepted before.
ALTER TABLE message ADD COLUMN scope TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE message DROP CONSTRAINT message_account_transport_transport_id_key;
ALTER TABLE message ADD UNIQUE (account, transport, transport_id, scope);
