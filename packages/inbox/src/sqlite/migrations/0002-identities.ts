/**
 * The second schema. Event ids are unordered, so with one large index each put changed a different page, which was written
 * to the log and then to the file. Now a put only changes the index of unfinished events, which stays small. It reads the
 * index of finished events, which changes when an event finishes.
 *
 * A trigger, not the INSERT statement, ignores duplicates of finished events. That way they are also recognized by processes
 * of an older release that have the file open.
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
