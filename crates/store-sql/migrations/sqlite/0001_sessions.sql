-- Which steps were taken, and when (this machine's clock, for people only).
CREATE TABLE hallpass_migration (
    version    INTEGER PRIMARY KEY,
    applied_at INTEGER NOT NULL
) STRICT;

-- What belongs to the data as a whole: the bucket key.
CREATE TABLE hallpass_meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Subjects whose sessions were all ended at least once; all others are in epoch 0.
CREATE TABLE hallpass_subject (
    subject TEXT    NOT NULL PRIMARY KEY,
    epoch   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a session. Times are Unix seconds. A row has some 600 bytes; in a WITHOUT ROWID
-- table rows stand in the inner pages too, which then hold six keys each instead of 150, so
-- this one has a rowid.
CREATE TABLE hallpass_session (
    id                  BLOB    NOT NULL PRIMARY KEY,
    subject             TEXT    NOT NULL,
    subject_epoch       INTEGER NOT NULL,
    client_id           TEXT    NOT NULL,
    transport           TEXT    NOT NULL,
    scope               TEXT    NOT NULL,
    created_at          INTEGER NOT NULL,
    auth_time           INTEGER NOT NULL,
    acr                 TEXT,
    amr                 TEXT    NOT NULL, -- a JSON array
    generation          INTEGER NOT NULL,
    token_hash          BLOB    NOT NULL,
    previous_hash       BLOB,
    nonce               BLOB    NOT NULL,
    rotated_at          INTEGER NOT NULL,
    rotated_by          TEXT    NOT NULL,
    earlier_rotations   INTEGER, -- 64 bits that only the library reads
    rotation_kid        TEXT    NOT NULL,
    idle_expires_at     INTEGER NOT NULL,
    absolute_expires_at INTEGER NOT NULL,
    remember            INTEGER NOT NULL,
    revoked_at          INTEGER,
    revoke_reason       TEXT,
    last_seen_at        INTEGER NOT NULL,
    claims              TEXT    NOT NULL,
    device_label        TEXT,
    device_user_agent   TEXT,
    device_ip_prefix    TEXT,
    purge_at            INTEGER NOT NULL
) STRICT;

CREATE INDEX hallpass_session_subject ON hallpass_session (subject);
CREATE INDEX hallpass_session_purge ON hallpass_session (purge_at);
-- Small, and all that reading the revocations needs.
CREATE INDEX hallpass_session_revoked ON hallpass_session (revoked_at, id)
    WHERE revoked_at IS NOT NULL;

-- The application's private data, apart, so that a refresh does not move it.
CREATE TABLE hallpass_data (
    session BLOB    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    json    TEXT
) STRICT;

-- Holds whatever PRAGMA foreign_keys says.
CREATE TRIGGER hallpass_data_follows AFTER DELETE ON hallpass_session
BEGIN
    DELETE FROM hallpass_data WHERE session = OLD.id;
END;
