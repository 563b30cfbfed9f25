/**
 * The second schema. Event ids come in no order: in one large index, each put changed a page of its own, and wrote
 * it to the log and again to the file. So the index that a put changes holds only what is under way, and stays small; the
 * one of what is finished is only looked at by a put, and changed when the event ends.
 *
 * That an event is in one of them at most is kept by the trigger, not by the statement that stores: a process of an older
 * release that has the file open recognises duplicates as well.
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
