-- `lane`: which lane a delivery goes in; empty: none, as for all that was accepted before.
-- `conversation`: what it stays in order with; null where no order is asked for. `queue`: the same, as
-- long as the delivery comes before what was accepted later: until it ends, and not while it is held.
ALTER TABLE delivery ADD COLUMN lane TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN conversation TEXT;
ALTER TABLE delivery ADD COLUMN queue TEXT;

DROP INDEX delivery_ready;
CREATE INDEX delivery_ready ON delivery (peer, lane, ready, seq) WHERE ready IS NOT NULL;
CREATE INDEX delivery_queue ON delivery (queue, seq) WHERE queue IS NOT NULL;
-- Of a conversation one delivery alone may be leased, be in delivery, or stand where it could be leased.
CREATE UNIQUE INDEX delivery_going ON delivery (conversation)
    WHERE conversation IS NOT NULL AND (ready IS NOT NULL OR lease_until IS NOT NULL);
