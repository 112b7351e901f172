-- Times are microseconds since 1970 in UTC, durations are microseconds.

-- INSERT INTO stands before it, and one row or several behind it.
-- name: put_columns
entry (
    lane_id, identity, state, changed_at, received_at, error, body_bytes, body_file,
    data_model, event_type, log_id, head, body
) VALUES;

-- Its values are given by position: by name, finding each of them would take as long
-- as all the rest. Of a lane that sleeps or is not there, the number is NULL, and the
-- row is refused as that of a repeat is.
-- name: put_row
(
    (SELECT id FROM lane WHERE key = ? AND has_work = 1),
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
);

-- Nothing is written if it is awake.
-- name: wake_lane
INSERT INTO lane (key, has_work, due_at) VALUES (:key, 1, :now)
ON CONFLICT (key) DO UPDATE SET has_work = 1 WHERE has_work = 0;

-- As it came now: what is kept may be damaged, and why it died.
-- name: revive
UPDATE entry
SET repeats = repeats + 1, state = 0, error = NULL, body_bytes = :body_bytes,
    body_file = :body_file, head = :head, body = :body
WHERE lane_id = (SELECT id FROM lane WHERE key = :key) AND identity = :identity
    AND state = 3 AND error IS NOT :unanswered;

-- They were another entry's: one that is revived has all of its own before it.
-- name: forget_attempts
UPDATE lane SET attempts = 0 WHERE key = :key AND attempts > 0;

-- name: count_repeat
UPDATE entry SET repeats = repeats + 1
WHERE lane_id = (SELECT id FROM lane WHERE key = :key) AND identity = :identity;

-- name: look
SELECT 1 FROM lane
WHERE has_work = 1 AND halted = 0 AND due_at <= :now
LIMIT 1;

-- name: claim_lane
UPDATE lane
SET due_at = :now + :lease, owner = :token, fence = fence + 1,
    attempts = attempts + 1
WHERE id = (
    SELECT id FROM lane
    WHERE has_work = 1 AND halted = 0 AND due_at <= :now
    ORDER BY due_at
    LIMIT 1
)
RETURNING id, key, fence, attempts;

-- name: claim_head
SELECT id, identity, received_at, head FROM entry
WHERE lane_id = :lane AND state = 0
ORDER BY id
LIMIT 1;

-- has_work was 1 in vain.
-- name: claim_empty
UPDATE lane SET has_work = 0, owner = NULL, attempts = 0, due_at = :now
WHERE id = :lane;

-- name: read_body
SELECT body_file, body FROM entry WHERE id = :entry;

-- What ends or extends a claim carries fence and owner: after a crash a fence number
-- may come again, the random owner cannot. No row changed: the lease was lost.
-- name: renew
UPDATE lane SET due_at = :now + :lease
WHERE id = :lane AND fence = :fence AND owner = :token;

-- Skipped by an operator meanwhile: that stands.
-- name: finish_entry
UPDATE entry SET state = :state, error = :error, changed_at = :now
WHERE id = :entry AND state = 0;

-- name: finish_lane
UPDATE lane
SET owner = NULL, attempts = 0, last_error = :error, due_at = :now,
    has_work = EXISTS (SELECT 1 FROM entry WHERE lane_id = :lane AND state = 0)
WHERE id = :lane AND fence = :fence AND owner = :token;

-- An operator may have set attempts to 0 meanwhile: then the lane goes on at once.
-- name: retry
UPDATE lane
SET owner = NULL, due_at = :now + :delay * (attempts > 0), last_error = :error
WHERE id = :lane AND fence = :fence AND owner = :token;

-- If an operator has skipped the entry meanwhile, the lane goes on.
-- name: halt
UPDATE lane
SET owner = NULL, last_error = :error, due_at = :now,
    halted = max(
        halted, EXISTS (SELECT 1 FROM entry WHERE id = :entry AND state = 0)
    )
WHERE id = :lane AND fence = :fence AND owner = :token;

-- An operator may have set attempts to 0 meanwhile.
-- name: release
UPDATE lane SET owner = NULL, due_at = :now, attempts = max(0, attempts - 1)
WHERE id = :lane AND fence = :fence AND owner = :token;

-- name: repair_clock
UPDATE lane SET due_at = :now WHERE due_at > :now + :longest;

-- name: halt_lane
UPDATE lane SET halted = 1 WHERE key = :key;

-- A claim in flight keeps its lease.
-- name: resume_lane
UPDATE lane
SET halted = 0, attempts = 0,
    due_at = CASE WHEN owner IS NULL THEN :now ELSE due_at END,
    has_work = EXISTS (SELECT 1 FROM entry WHERE lane_id = lane.id AND state = 0)
WHERE key = :key AND halted = 1;

-- name: skip_head
UPDATE entry SET state = 3, error = 'skipped', changed_at = :now
WHERE id = (
    SELECT entry.id FROM entry JOIN lane ON lane.id = entry.lane_id
    WHERE lane.key = :key AND lane.halted = 1 AND entry.state = 0
    ORDER BY entry.id
    LIMIT 1
)
RETURNING id;

-- name: replay_entry
UPDATE entry SET state = 0, error = NULL
WHERE id = :entry AND state IN (1, 3)
RETURNING lane_id;

-- name: replay_lane
UPDATE lane SET has_work = 1, attempts = 0 WHERE id = :lane;

-- name: find_old
SELECT id, body_file FROM entry
WHERE state > 0 AND state = :state AND changed_at < :before
ORDER BY changed_at
LIMIT :limit;

-- name: empty_entry
UPDATE entry
SET state = 4, head = '', body_bytes = 0, body_file = NULL, body = NULL
WHERE id = :entry;

-- name: read_last_id
SELECT max(id) FROM entry;

-- name: delete_entry
DELETE FROM entry WHERE id = :entry;

-- In the place of the row that had it; what was there to keep another is replaced.
-- name: keep_last_id
INSERT OR REPLACE INTO entry (
    id, lane_id, identity, state, changed_at, received_at, body_bytes, head
)
SELECT :last, 0, x'', -1, 0, 0, 0, ''
WHERE :last > (SELECT coalesce(max(id), 0) FROM entry);

-- name: find_file
SELECT 1 FROM entry WHERE body_file IS NOT NULL AND body_file = :file;

-- name: count_lanes
SELECT lane.key, lane.halted, lane.owner IS NOT NULL, lane.due_at, lane.attempts,
    lane.last_error, coalesce(ready.waiting, 0), coalesce(gone.dead, 0),
    head.received_at
FROM lane
LEFT JOIN (
    SELECT lane_id, count(*) AS waiting, min(id) AS head FROM entry
    WHERE state = 0
    GROUP BY lane_id
) AS ready ON ready.lane_id = lane.id
LEFT JOIN (
    SELECT lane_id, count(*) AS dead FROM entry
    WHERE state = 3
    GROUP BY lane_id
) AS gone ON gone.lane_id = lane.id
LEFT JOIN entry AS head ON head.id = ready.head
WHERE lane.halted = 1 OR ready.waiting > 0 OR gone.dead > 0
ORDER BY lane.key;

-- name: count_finished
SELECT state, count(*) FROM entry WHERE state > 0 GROUP BY state;

-- name: count_repeats
SELECT coalesce(sum(repeats), 0) FROM entry WHERE repeats > 0;

-- What restricts it is appended, and then order_entries.
-- name: find_entries
SELECT entry.id, lane.key, entry.identity, entry.state, entry.received_at,
    iif(entry.state > 0, entry.changed_at, NULL), entry.error, entry.repeats,
    entry.body_bytes, entry.data_model, entry.event_type, entry.log_id, entry.head
FROM entry CROSS JOIN lane ON lane.id = entry.lane_id
WHERE entry.id > :after;

-- name: order_entries
ORDER BY entry.id LIMIT :limit;
