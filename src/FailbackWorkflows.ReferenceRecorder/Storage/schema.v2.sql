-- Material: records, where a piece came from, what was removed, who may read it.
-- Instants are int64 .NET ticks UTC (100 ns). Ranges are half open [from, to).

ALTER TABLE machine ADD COLUMN secret BLOB;            -- 32 random bytes; read tokens are derived from it
ALTER TABLE machine ADD COLUMN change_sequence INTEGER NOT NULL DEFAULT 0;  -- last number given to a transaction that changed records

ALTER TABLE segments ADD COLUMN origin_recorder TEXT NOT NULL DEFAULT '';   -- machine that recorded it
ALTER TABLE segments ADD COLUMN content_type TEXT NOT NULL DEFAULT 'application/vnd.failback.synthetic';
ALTER TABLE segments ADD COLUMN stored_at INTEGER NOT NULL DEFAULT 0;       -- when it became whole here
ALTER TABLE segments ADD COLUMN task_id TEXT;                               -- copy task that brought it; null: recorded or fed here
UPDATE segments SET origin_recorder = (SELECT machine_id FROM machine), stored_at = to_ticks;

DROP INDEX segments_by_track;
CREATE INDEX segments_by_track ON segments (track_id, from_ticks, segment_id);
CREATE INDEX segments_by_age ON segments (from_ticks);
CREATE INDEX segments_by_task ON segments (task_id) WHERE task_id IS NOT NULL;

-- Kinds of tracks outlive the settings that named them.
CREATE TABLE tracks (
    track_id    TEXT PRIMARY KEY,
    identity    TEXT NOT NULL,
    channel_id  TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('video', 'audio', 'text'))   -- text: segments of a recorder before records
) STRICT;
INSERT INTO tracks (track_id, identity, channel_id, kind)
SELECT t.track_id, t.identity, t.channel_id, coalesce(
    (SELECT json_extract(c.value, '$.kind') FROM settings_revisions AS r, json_each(r.content, '$.channels') AS c
     WHERE r.identity = t.identity AND json_extract(c.value, '$.id') = t.channel_id ORDER BY r.revision DESC LIMIT 1),
    'video')
FROM (SELECT DISTINCT track_id, identity, channel_id FROM segments) AS t;

-- Kept by triggers, so that whoever writes segments cannot forget it.
CREATE TABLE storage_used (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    bytes  INTEGER NOT NULL                              -- sum over segments
) STRICT;
INSERT INTO storage_used (one, bytes) SELECT 1, coalesce(sum(bytes), 0) FROM segments;
CREATE TRIGGER segments_added AFTER INSERT ON segments BEGIN UPDATE storage_used SET bytes = bytes + NEW.bytes; END;
CREATE TRIGGER segments_grown AFTER UPDATE OF bytes ON segments BEGIN UPDATE storage_used SET bytes = bytes + NEW.bytes - OLD.bytes; END;
CREATE TRIGGER segments_removed AFTER DELETE ON segments BEGIN UPDATE storage_used SET bytes = bytes - OLD.bytes; END;

CREATE TABLE gone_segments (
    segment_id  TEXT PRIMARY KEY,
    track_id    TEXT NOT NULL,
    from_ticks  INTEGER NOT NULL,
    to_ticks    INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    reason      TEXT NOT NULL CHECK (reason IN ('retention', 'pressure', 'lost')),
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX gone_segments_by_track ON gone_segments (track_id, from_ticks);
CREATE INDEX gone_segments_by_age ON gone_segments (at);

CREATE TABLE records (
    identity         TEXT NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('locks', 'bookmarks', 'text', 'metadata', 'anpr', 'alarms')),
    id               TEXT NOT NULL,
    channel_id       TEXT,                 -- null: belongs to the recorder itself
    time_ticks       INTEGER NOT NULL,
    to_ticks         INTEGER,
    revision         INTEGER NOT NULL CHECK (revision > 0),
    sha256           TEXT NOT NULL,
    dispute          TEXT NOT NULL CHECK (dispute IN ('none', 'provisional', 'disputed')),
    epoch            INTEGER NOT NULL,     -- of the duty when it was recorded
    origin_recorder  TEXT NOT NULL,
    body             TEXT NOT NULL,        -- canonical JSON
    change_sequence  INTEGER NOT NULL,     -- of the transaction that stored or changed it; never reused
    task_id          TEXT,                 -- copy task that brought this revision; null: made here
    PRIMARY KEY (identity, kind, id),
    CHECK (to_ticks IS NULL OR to_ticks >= time_ticks)
) STRICT;
CREATE INDEX records_by_time ON records (identity, kind, time_ticks, id, change_sequence);
CREATE INDEX records_by_channel ON records (identity, kind, channel_id, time_ticks, id, change_sequence);

-- What evidence locks protect, spelled out of their records: one row per channel, or one for the whole identity.
CREATE TABLE locked_ranges (
    identity       TEXT NOT NULL,
    lock_id        TEXT NOT NULL,
    channel_id     TEXT,                   -- null: every channel
    from_ticks     INTEGER NOT NULL,
    to_ticks       INTEGER NOT NULL,
    expires_ticks  INTEGER NOT NULL        -- 9223372036854775807: never
) STRICT;
CREATE INDEX locked_ranges_by_lock ON locked_ranges (identity, lock_id);

ALTER TABLE retention_holds ADD COLUMN release TEXT CHECK (release IN ('verifiedCopy', 'acceptedLoss', 'nothingRecorded'));  -- null: holds
ALTER TABLE retention_holds ADD COLUMN released_at INTEGER;
ALTER TABLE retention_holds ADD COLUMN release_reason TEXT;

-- What may not be deleted to save room or by age. A later schema may put more reasons beside these.
CREATE VIEW kept_ranges (identity, channel_id, from_ticks, to_ticks, disputed_only, expires_ticks, why) AS
SELECT identity, NULL, from_ticks, coalesce(to_ticks, 9223372036854775807), release IS NOT NULL, 9223372036854775807, 'hold'
FROM retention_holds WHERE release IS NULL OR release = 'verifiedCopy'
UNION ALL
SELECT identity, channel_id, from_ticks, to_ticks, 0, expires_ticks, 'lock' FROM locked_ranges;

-- Highest fence seen per copy task or read token; it has nothing to do with the duty fence.
CREATE TABLE copy_fences (
    id     TEXT PRIMARY KEY,
    fence  INTEGER NOT NULL CHECK (fence >= 0)
) STRICT;

CREATE TABLE read_tokens (
    token_id    TEXT PRIMARY KEY,
    identity    TEXT NOT NULL,
    from_ticks  INTEGER NOT NULL,
    to_ticks    INTEGER NOT NULL,
    generation  INTEGER NOT NULL CHECK (generation > 0),
    reason      TEXT NOT NULL,
    revoked_at  INTEGER,
    CHECK (to_ticks > from_ticks)
) STRICT;
