-- {schema} is the schema's name, checked when it is set.
CREATE SCHEMA IF NOT EXISTS {schema};

-- Which steps were taken, and when (the server's clock, for people only).
CREATE TABLE {schema}.migration (
    version    bigint      PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- What belongs to the data as a whole: the bucket key.
CREATE TABLE {schema}.meta (
    name  text  COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);

-- The row that logins of a subject and the ending of all its sessions lock against each
-- other. An epoch that was ever raised stays.
CREATE TABLE {schema}.subject (
    subject text   COLLATE "C" PRIMARY KEY,
    epoch   bigint NOT NULL
) WITH (fillfactor = 75);

-- One row a session. Times are Unix seconds. A refresh changes no value that an index has
-- (purge_at is coarse), so with room left on each page it is a heap-only update.
CREATE TABLE {schema}.session (
    id                  bytea   PRIMARY KEY,
    subject             text    COLLATE "C" NOT NULL,
    subject_epoch       bigint  NOT NULL,
    client_id           text    COLLATE "C" NOT NULL,
    transport           text    COLLATE "C" NOT NULL,
    scope               text    COLLATE "C" NOT NULL,
    created_at          bigint  NOT NULL,
    auth_time           bigint  NOT NULL,
    acr                 text,
    amr                 text    NOT NULL, -- a JSON array
    generation          bigint  NOT NULL,
    token_hash          bytea   NOT NULL,
    previous_hash       bytea,
    nonce               bytea   NOT NULL,
    rotated_at          bigint  NOT NULL,
    rotated_by          text    COLLATE "C" NOT NULL,
    earlier_rotations   bigint, -- 64 bits that only the library reads
    rotation_kid        text    COLLATE "C" NOT NULL,
    idle_expires_at     bigint  NOT NULL,
    absolute_expires_at bigint  NOT NULL,
    remember            boolean NOT NULL,
    revoked_at          bigint,
    revoke_reason       text    COLLATE "C",
    last_seen_at        bigint  NOT NULL,
    claims              text    NOT NULL,
    device_label        text,
    device_user_agent   text,
    device_ip_prefix    text,
    purge_at            bigint  NOT NULL,
    -- Of two logins in one second the later insert is the newer.
    serial              bigint  GENERATED ALWAYS AS IDENTITY
) WITH (fillfactor = 75);

CREATE INDEX session_subject ON {schema}.session (subject);
CREATE INDEX session_purge ON {schema}.session (purge_at);
-- Small, and all that reading the revocations needs.
CREATE INDEX session_revoked ON {schema}.session (revoked_at) INCLUDE (id)
    WHERE revoked_at IS NOT NULL;

-- The application's private data, apart, so that a refresh does not move it.
CREATE TABLE {schema}.data (
    session bytea  PRIMARY KEY,
    version bigint NOT NULL,
    json    text
);

-- Tells the other nodes, when the transaction commits, which session was ended and when: its
-- id in base64url and the time. On the caller's search path somebody else may have put an operator
-- that fits better than PostgreSQL's own, so it has a path of its own, and no conversions.
CREATE FUNCTION {schema}.tell(channel text, id bytea, at bigint)
RETURNS void LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_notify(channel, translate(encode(id, 'base64'), '+/', '-_') || ' ' || at::text)
$$;

-- Ends all sessions of a subject but one, in one round trip, so that no lock waits for a
-- client. Each statement of a volatile function sees what was committed before it: the first
-- waits for logins in flight, the last sees their sessions.
CREATE FUNCTION {schema}.revoke_subject(
    of_subject text, at bigint, reason text, until bigint, except_id bytea, channel text
) RETURNS SETOF bytea LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    raised bigint;
    ended  bytea;
BEGIN
    INSERT INTO {schema}.subject AS s (subject, epoch) VALUES (of_subject, 1)
        ON CONFLICT (subject) DO UPDATE SET epoch = s.epoch + 1
        RETURNING s.epoch INTO raised;
    UPDATE {schema}.session SET subject_epoch = raised
        WHERE id = except_id AND subject = of_subject;
    FOR ended IN
        UPDATE {schema}.session SET revoked_at = at, revoke_reason = reason, purge_at = until
            WHERE subject = of_subject AND revoked_at IS NULL
                AND (except_id IS NULL OR id <> except_id)
            RETURNING id
    LOOP
        PERFORM {schema}.tell(channel, ended, at);
        RETURN NEXT ended;
    END LOOP;
END
$$;
