/**
 * The third schema. Adds tenants' scopes, ids that SQLite cannot store as text, and protection against clocks that are set
 * back.
 *
 * `scheduled_at_ms` is when `due_at_ms` was set. If it is in the future, the clock has been set back since.
 *
 * `scope` and `event_id` are `keyText`: the text itself, or a hash of it. If hashed, `exact` contains the original scope, id
 * and type as JSON. Existing events have no scope, nor do events stored by processes of an older release that have the file
 * open.
 */
export const scopes = `
ALTER TABLE events ADD COLUMN scope TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN exact TEXT;
ALTER TABLE events ADD COLUMN scheduled_at_ms INTEGER;

DROP INDEX events_unfinished;
DROP INDEX events_finished;
CREATE UNIQUE INDEX events_unfinished ON events (event_id, name, scope) WHERE finished_at_ms IS NULL;
CREATE UNIQUE INDEX events_finished ON events (event_id, name, scope) WHERE finished_at_ms IS NOT NULL;

DROP TRIGGER events_recognised;
CREATE TRIGGER events_recognized BEFORE INSERT ON events
WHEN EXISTS (
  SELECT 1 FROM events
  WHERE event_id = new.event_id AND name = new.name AND scope = new.scope AND finished_at_ms IS NOT NULL)
BEGIN
  SELECT RAISE(IGNORE);
END;
`
