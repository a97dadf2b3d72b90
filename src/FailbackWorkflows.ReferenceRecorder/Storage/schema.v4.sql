-- Side archives: what is copied to a recorder whose timelines grow at their end only stands beside them, by the failover whose copy brought it.

ALTER TABLE tracks ADD COLUMN archive_id TEXT;     -- failover log entry; null: the channel's own timeline
ALTER TABLE records ADD COLUMN archive_id TEXT;
CREATE INDEX records_archived ON records (identity, archive_id, kind, time_ticks, id) WHERE archive_id IS NOT NULL;

-- The part of a segment that a player must have read before its first frame (ftyp and moov): when it changes, codec or picture have.
ALTER TABLE segments ADD COLUMN init_sha256 TEXT;  -- null: not known, or the media type has none
ALTER TABLE segments ADD COLUMN init_bytes INTEGER;

-- A channel's own timeline and its archives together, in the order in which copies compare them.
DROP INDEX segments_by_identity;
CREATE INDEX segments_by_identity ON segments (identity, channel_id, from_ticks, segment_id);
