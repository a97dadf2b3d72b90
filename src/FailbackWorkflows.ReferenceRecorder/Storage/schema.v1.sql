-- Instants are int64 .NET ticks UTC (100 ns). Ranges are half open [from, to).

CREATE TABLE machine (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    machine_id  TEXT NOT NULL,           -- made once with the storage; never the address
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE duties (
    identity       TEXT PRIMARY KEY,
    assigned_role  TEXT NOT NULL CHECK (assigned_role IN ('none', 'recorder', 'failoverServer', 'standby')),
    epoch          INTEGER NOT NULL CHECK (epoch >= 0),
    allocation_id  TEXT,                 -- null: only the number was learned
    fence          INTEGER NOT NULL CHECK (fence >= 0),
    hold_entry_id  TEXT,                 -- hold that came with the assignment of this epoch
    recording      INTEGER NOT NULL DEFAULT 0 CHECK (recording IN (0, 1)),    -- intended: survives restarts
    awaiting_since INTEGER,              -- not null: came up with the duty and waits to have it confirmed
    provisional    INTEGER NOT NULL DEFAULT 0 CHECK (provisional IN (0, 1)),  -- unanswered for bootConfirm: records, disputed for now
    CHECK (provisional = 0 OR awaiting_since IS NOT NULL),
    CHECK (recording = 0 OR assigned_role = 'recorder')
) STRICT;

CREATE TABLE settings_revisions (
    identity      TEXT NOT NULL,
    revision      INTEGER NOT NULL CHECK (revision > 0),
    sha256        TEXT NOT NULL,
    content       TEXT NOT NULL,
    origin        TEXT NOT NULL CHECK (origin IN ('activated', 'rolledBack', 'local', 'seed')),
    activated_at  INTEGER NOT NULL,
    PRIMARY KEY (identity, revision)
) STRICT;

CREATE TABLE settings_active (
    identity  TEXT PRIMARY KEY,
    revision  INTEGER NOT NULL,          -- 0: never configured
    frozen    INTEGER NOT NULL CHECK (frozen IN (0, 1))
) STRICT;

CREATE TABLE settings_staged (
    staged_id  TEXT PRIMARY KEY,
    identity   TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    content    TEXT NOT NULL,
    staged_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE retention_holds (
    entry_id    TEXT PRIMARY KEY,
    identity    TEXT NOT NULL,
    from_ticks  INTEGER NOT NULL,
    to_ticks    INTEGER,                 -- null: open
    reason      TEXT NOT NULL
) STRICT;

CREATE TABLE segments (
    segment_id     TEXT PRIMARY KEY,
    identity       TEXT NOT NULL,
    channel_id     TEXT NOT NULL,
    track_id       TEXT NOT NULL,
    epoch          INTEGER NOT NULL,     -- of the duty when it was recorded
    from_ticks     INTEGER NOT NULL,
    to_ticks       INTEGER NOT NULL,     -- growing: confirmed so far
    bytes          INTEGER NOT NULL,
    sha256         TEXT,                 -- null while growing
    dispute        TEXT NOT NULL CHECK (dispute IN ('none', 'provisional', 'disputed')),
    disputed_from  INTEGER,
    file           TEXT NOT NULL,        -- relative to the segment folder
    CHECK (to_ticks > from_ticks),
    CHECK ((dispute = 'none') = (disputed_from IS NULL))
) STRICT;
CREATE INDEX segments_by_track ON segments (track_id, from_ticks);
CREATE INDEX segments_by_identity ON segments (identity, channel_id, from_ticks);
CREATE INDEX segments_growing ON segments (segment_id) WHERE sha256 IS NULL;

CREATE TABLE channel_times (
    identity     TEXT NOT NULL,
    channel_id   TEXT NOT NULL,
    first_epoch  INTEGER NOT NULL,       -- epoch first_frame belongs to
    first_frame  INTEGER,                -- null: the recording that runs has no frame yet
    last_frame   INTEGER,
    PRIMARY KEY (identity, channel_id)
) STRICT;

CREATE TABLE idempotency_keys (
    key           TEXT PRIMARY KEY,
    method        TEXT NOT NULL,
    path          TEXT NOT NULL,
    request_hash  TEXT NOT NULL,
    status        INTEGER NOT NULL,
    body          TEXT NOT NULL,
    at            INTEGER NOT NULL,
    effect_count  INTEGER NOT NULL,      -- 1: took effect, 0: definitively refused
    replays       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (at);

CREATE TABLE journal (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    at        INTEGER NOT NULL,
    identity  TEXT NOT NULL,
    kind      TEXT NOT NULL,
    text      TEXT NOT NULL
) STRICT;
