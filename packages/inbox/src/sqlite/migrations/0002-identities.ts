/**
 * The second schema. Event ids are in no order, so with one large index each put changed a different page, which was written
 * to the log and then to the file. Now a put changes only the index of unfinished events, which stays small. It reads the
 * index of finished ones, which changes when an event ends.
 *
 * Duplicates of finished events are ignored by a trigger rather than by the INSERT statement, so that a process of an older
 * release that has the file open recognizes them too.
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
