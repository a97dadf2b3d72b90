-- The DVRFailoverService: what this recorder is to bring home, and how far it is. What is copied stands in segments and records.

CREATE TABLE copy_tasks (
    task_id                TEXT PRIMARY KEY,
    queue_order            INTEGER NOT NULL UNIQUE,   -- tasks run one by one, in this order
    entry_id               TEXT NOT NULL,
    identity               TEXT NOT NULL,
    source_recorder_id     TEXT NOT NULL,
    definition             TEXT NOT NULL,             -- as it came with StartDataCopy
    from_ticks             INTEGER NOT NULL,          -- whole period, all channels
    to_ticks               INTEGER NOT NULL,
    state                  TEXT NOT NULL CHECK (state IN ('queued', 'waitingForSource', 'running', 'paused', 'verifying', 'copied', 'copiedWithLosses', 'nothingToCopy', 'failed', 'cancelled')),
    pause_reason           TEXT CHECK (pause_reason IN ('operator', 'noAuthority', 'source', 'reserve', 'window')),
    phase                  TEXT,
    retry_at               INTEGER,                   -- not taken up again before; null: as soon as its reason is gone
    source_url             TEXT,
    source_token           BLOB,                      -- encrypted with the key file of the data folder
    source_revision        INTEGER NOT NULL DEFAULT 0, -- grows with every UpdateClientInfo
    max_bytes_per_second   INTEGER,
    window_from            INTEGER,                   -- ticks of the day
    window_to              INTEGER,
    last_error             TEXT,
    attempts               INTEGER NOT NULL DEFAULT 0,
    clock_offset_before    INTEGER,                   -- ticks; source's clock minus ours
    clock_offset_after     INTEGER,
    segments_done          INTEGER NOT NULL DEFAULT 0,
    records_done           INTEGER NOT NULL DEFAULT 0,
    already_there          INTEGER NOT NULL DEFAULT 0,
    bytes_done             INTEGER NOT NULL DEFAULT 0,
    bytes_total            INTEGER,
    bytes_verified         INTEGER NOT NULL DEFAULT 0,
    losses_accepted        INTEGER NOT NULL DEFAULT 0 CHECK (losses_accepted IN (0, 1)),
    coverage               TEXT,                      -- the report, once the task has reached its end
    created_at             INTEGER NOT NULL,
    started_at             INTEGER,
    ended_at               INTEGER,
    heartbeat_at           INTEGER,
    revision               INTEGER NOT NULL DEFAULT 1,
    CHECK ((state = 'paused') = (pause_reason IS NOT NULL)),
    CHECK ((source_url IS NULL) = (source_token IS NULL))
) STRICT;
CREATE INDEX copy_tasks_open ON copy_tasks (queue_order) WHERE ended_at IS NULL;

-- Where a pass over a channel stands. The index of what is stored is the truth; this only says where to go on.
CREATE TABLE copy_positions (
    task_id          TEXT NOT NULL,
    pass             TEXT NOT NULL,                   -- evidence, copying
    kind             TEXT NOT NULL,                   -- video, audio or a kind of records
    channel_id       TEXT NOT NULL,                   -- '-': belongs to no channel; '*': all at once
    position         INTEGER,                         -- everything up to here is received and stored
    change_sequence  INTEGER,                         -- records: what the source had changed when the pass began
    is_done          INTEGER NOT NULL DEFAULT 0 CHECK (is_done IN (0, 1)),
    done             INTEGER NOT NULL DEFAULT 0,
    total            INTEGER,
    bytes_done       INTEGER NOT NULL DEFAULT 0,
    bytes_total      INTEGER,
    attempts         INTEGER NOT NULL DEFAULT 0,
    error            TEXT,
    PRIMARY KEY (task_id, pass, kind, channel_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE copy_losses (
    task_id     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    channel_id  TEXT NOT NULL,
    item_id     TEXT NOT NULL,
    from_ticks  INTEGER NOT NULL,
    to_ticks    INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    PRIMARY KEY (task_id, kind, channel_id, item_id)
) STRICT, WITHOUT ROWID;

-- A copied segment that overlaps what the target had: both are kept, as neither clock is the right one.
ALTER TABLE segments ADD COLUMN overlaps INTEGER NOT NULL DEFAULT 0 CHECK (overlaps IN (0, 1));

-- What a task that is not at its end is bringing home may not be deleted again before it is verified.
DROP VIEW kept_ranges;
CREATE VIEW kept_ranges (identity, channel_id, from_ticks, to_ticks, disputed_only, expires_ticks, why) AS
SELECT identity, NULL, from_ticks, coalesce(to_ticks, 9223372036854775807), release IS NOT NULL, 9223372036854775807, 'hold'
FROM retention_holds WHERE release IS NULL OR release = 'verifiedCopy'
UNION ALL
SELECT identity, channel_id, from_ticks, to_ticks, 0, expires_ticks, 'lock' FROM locked_ranges
UNION ALL
SELECT identity, NULL, from_ticks, to_ticks, 0, 9223372036854775807, 'copy' FROM copy_tasks WHERE ended_at IS NULL;
