/**
 * The second schema. Event ids have no order: in one large index, each put changed another page, which was written to the log
 * and again to the file. So the index that a put changes contains only unfinished events and stays small; a put only reads
 * the index of finished ones, which changes when an event ends.
 *
 * A trigger keeps an event out of both, not the statement that stores: a process of an older release that has the file open
 * recognizes duplicates too.
 */
export const identities = `
DROP INDEX events_identity;
CREATE UNIQUE INDEX events_unfinished ON events (event_id, name) WHERE finished_at_ms IS NULL;
CREATE UNIQUE INDEX events_finished ON events (event_id, name) WHERE finished_at_ms IS NOT NULL;

CREATE TRIGGER events_recognised BEFORE INSERT ON events
WHEN EXISTS (
  SELECT 1 FROM events WHERE event_id = new.event_id AND name = new.name AND finished_at_ms IS NOT NULL)
BEGIN
  SELECT RAISE(IGNORE);
END;
`
