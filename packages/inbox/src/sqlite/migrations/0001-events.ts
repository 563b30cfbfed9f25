/**
 * The first schema. Payloads never change, so they have a separate table: an UPDATE rewrites the whole row, and a body can
 * be a mebibyte.
 *
 * `due_at_ms`: while ready, when the next attempt may begin; while running, when the lease expires; otherwise NULL. The two
 * partial indexes contain only ready and running events, so done events do not slow down claims.
 *
 * Triggers maintain `counts`, because counting all rows for each `stats` would delay deliveries.
 */
export const events = `
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  event_id TEXT NOT NULL,
  event_type TEXT NOT NULL,
  message_id TEXT NOT NULL,
  secret_index INTEGER NOT NULL,
  sent_at_ms INTEGER NOT NULL,
  received_at_ms INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('ready', 'running', 'done', 'dead')),
  is_unhandled INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  replays INTEGER NOT NULL DEFAULT 0,
  due_at_ms INTEGER,
  claimed_at_ms INTEGER,
  lease_token TEXT,
  finished_at_ms INTEGER
) STRICT;

CREATE UNIQUE INDEX events_identity ON events (event_id, name);
CREATE INDEX events_ready ON events (name, due_at_ms) WHERE state = 'ready';
CREATE INDEX events_running ON events (name, due_at_ms) WHERE state = 'running';

CREATE TABLE payloads (
  event INTEGER PRIMARY KEY REFERENCES events (id) ON DELETE CASCADE,
  signed_headers TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;

CREATE TABLE attempts (
  event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
  sequence INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  replay INTEGER NOT NULL,
  started_at_ms INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  error TEXT,
  PRIMARY KEY (event, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE counts (
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  events INTEGER NOT NULL,
  PRIMARY KEY (name, kind)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER events_inserted AFTER INSERT ON events BEGIN
  INSERT INTO counts VALUES (new.name, new.state, 1) ON CONFLICT DO UPDATE SET events = events + 1;
END;

CREATE TRIGGER events_updated AFTER UPDATE OF state ON events WHEN new.state <> old.state BEGIN
  UPDATE counts SET events = events - 1
    WHERE name = old.name AND kind = iif(old.is_unhandled, 'unhandled', old.state);
  INSERT INTO counts VALUES (new.name, iif(new.is_unhandled, 'unhandled', new.state), 1)
    ON CONFLICT DO UPDATE SET events = events + 1;
END;

CREATE TRIGGER events_deleted AFTER DELETE ON events BEGIN
  UPDATE counts SET events = events - 1
    WHERE name = old.name AND kind = iif(old.is_unhandled, 'unhandled', old.state);
END;
`
