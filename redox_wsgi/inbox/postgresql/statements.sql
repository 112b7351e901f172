-- Every transaction touches the lane first and its entries second: one order of locks,
-- no deadlock. Times are the server's. A condition on due_at compares with
-- statement_timestamp(): clock_timestamp() is volatile, so no index serves it.

-- name: put
-- For what waits, in one round trip. No row: it is a repeat, or its lane was made in
-- this instant, or the server would not keep what it commits. put_again tells.
-- The number of the entry is drawn when the row of its lane is locked: within a lane
-- the order of numbers is the order of commits. A lane that is awake is locked only, so
-- that no put leaves a dead row behind: "all rows will be locked when the ON CONFLICT
-- DO UPDATE action is taken".
-- -- https://www.postgresql.org/docs/current/sql-insert.html#SQL-ON-CONFLICT
WITH woken AS (
  INSERT INTO redox_lane (key, has_work) VALUES (%(lane)s, true)
  ON CONFLICT (key) DO UPDATE SET has_work = true WHERE NOT redox_lane.has_work
  RETURNING id
), lane AS (
  SELECT id FROM woken
  UNION ALL
  SELECT id FROM redox_lane WHERE key = %(lane)s
  LIMIT 1
)
INSERT INTO redox_entry (
  lane_id, identity, received_at,
  data_model, event_type, log_id, head, body, body_bytes
)
SELECT
  id, %(identity)s, %(received_at)s,
  %(data_model)s, %(event_type)s, %(log_id)s, %(head)s, %(body)b, octet_length(%(body)b)
FROM lane WHERE current_setting('fsync') = 'on'
ON CONFLICT (lane_id, identity) DO NOTHING
-- The role or another user of a pooled connection may have switched it off: then the
-- answer would lie at a power cut. This holds until the end of the transaction.
RETURNING CASE current_setting('synchronous_commit')
  WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END;

-- name: put_again
-- Whatever it is, new or not. No row: the server would not keep what it commits.
WITH lane AS (
  INSERT INTO redox_lane (key, has_work) VALUES (%(lane)s, true)
  ON CONFLICT (key) DO UPDATE SET
    has_work = true,
    -- They were another entry's: one that is revived has all of its own before it.
    attempts = CASE WHEN redox_lane.attempts > 0 AND EXISTS (
      SELECT 1 FROM redox_entry
      WHERE lane_id = redox_lane.id AND identity = %(identity)s
        AND state = 3 AND error IS DISTINCT FROM %(final_error)s
    ) THEN 0 ELSE redox_lane.attempts END
  RETURNING id
)
INSERT INTO redox_entry AS entry (
  lane_id, identity, state, received_at, finished_at, error,
  data_model, event_type, log_id, head, body, body_bytes
)
SELECT
  id, %(identity)s, %(state)s, %(received_at)s,
  CASE WHEN %(state)s > 0 THEN clock_timestamp() END, %(error)s,
  %(data_model)s, %(event_type)s, %(log_id)s, %(head)s, %(body)b, octet_length(%(body)b)
FROM lane WHERE current_setting('fsync') = 'on'
ON CONFLICT (lane_id, identity) DO UPDATE SET
  repeats = entry.repeats + 1,
  revived = entry.state = 3 AND entry.error IS DISTINCT FROM %(final_error)s,
  state = CASE WHEN entry.state = 3 AND entry.error IS DISTINCT FROM %(final_error)s
    THEN 0 ELSE entry.state END,
  error = CASE WHEN entry.error IS NOT DISTINCT FROM %(final_error)s
    THEN entry.error END,
  finished_at = CASE
    WHEN entry.state <> 3 OR entry.error IS NOT DISTINCT FROM %(final_error)s
    THEN entry.finished_at END,
  -- What is kept may be damaged, and why it died. What stays is not written anew.
  head = CASE WHEN entry.state = 3 AND entry.error IS DISTINCT FROM %(final_error)s
    THEN excluded.head ELSE entry.head END,
  body = CASE WHEN entry.state = 3 AND entry.error IS DISTINCT FROM %(final_error)s
    THEN excluded.body ELSE entry.body END,
  body_bytes = CASE
    WHEN entry.state = 3 AND entry.error IS DISTINCT FROM %(final_error)s
    THEN excluded.body_bytes ELSE entry.body_bytes END
RETURNING repeats > 0, revived, CASE current_setting('synchronous_commit')
  WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END;

-- name: claim_lane
-- The head is read by a second statement: its snapshot must be younger than the lock,
-- or an entry that was completed meanwhile is handed out again.
UPDATE redox_lane SET
  due_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s),
  owner = %(token)s, fence = fence + 1, attempts = attempts + 1
WHERE id = (
  SELECT id FROM redox_lane
  WHERE has_work AND NOT halted AND due_at <= statement_timestamp()
  ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING id, key, fence, attempts;

-- name: claim_busy_lane
-- The same, in its turn behind those who put: under a storm of puts a lane is locked
-- whenever one looks, and would never be claimed.
UPDATE redox_lane SET
  due_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s),
  owner = %(token)s, fence = fence + 1, attempts = attempts + 1
WHERE id = (
  SELECT id FROM redox_lane
  WHERE has_work AND NOT halted AND due_at <= statement_timestamp()
  ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE
)
RETURNING id, key, fence, attempts;

-- name: claim_head
SELECT id, identity, received_at, head FROM redox_entry
WHERE lane_id = %(lane_id)s AND state = 0 ORDER BY id LIMIT 1;

-- name: claim_empty
UPDATE redox_lane SET
  has_work = false, owner = NULL, attempts = 0, due_at = clock_timestamp()
WHERE id = %(lane_id)s;

-- name: read_body
SELECT body, body_bytes FROM redox_entry WHERE id = %(entry_id)s;

-- name: renew
UPDATE redox_lane SET
  due_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE id = %(lane_id)s AND fence = %(fence)s AND owner = %(token)s;

-- name: finish_entry
-- An operator may have skipped it meanwhile: that stands. The lane is locked all the
-- same, since it is what is asked for: beside an UPDATE of no row it would not be.
WITH held AS (
  SELECT id FROM redox_lane
  WHERE id = %(lane_id)s AND fence = %(fence)s AND owner = %(token)s
  FOR NO KEY UPDATE
), finished AS (
  UPDATE redox_entry SET
    state = %(state)s, error = %(error)s, finished_at = clock_timestamp()
  FROM held WHERE redox_entry.id = %(entry_id)s AND state = 0
)
SELECT id FROM held;

-- name: finish_lane
-- The lane is locked by the statement before, so no entry can come behind EXISTS.
UPDATE redox_lane SET
  owner = NULL, attempts = 0, last_error = %(error)s, due_at = clock_timestamp(),
  has_work = EXISTS (
    SELECT 1 FROM redox_entry WHERE lane_id = %(lane_id)s AND state = 0
  )
WHERE id = %(lane_id)s AND fence = %(fence)s AND owner = %(token)s
RETURNING id;

-- name: retry
-- An operator may have set the attempts to 0 meanwhile: then the lane goes on at once.
UPDATE redox_lane SET
  owner = NULL, last_error = %(error)s,
  due_at = clock_timestamp()
    + make_interval(secs => %(delay_seconds)s) * (attempts > 0)::int
WHERE id = %(lane_id)s AND fence = %(fence)s AND owner = %(token)s;

-- name: halt
-- If an operator has skipped the entry meanwhile, the lane goes on. The statement
-- before has locked the lane, so that the skip is seen.
UPDATE redox_lane SET
  owner = NULL, last_error = %(error)s, due_at = clock_timestamp(),
  halted = halted OR EXISTS (
    SELECT 1 FROM redox_entry WHERE id = %(entry_id)s AND state = 0
  )
WHERE id = %(lane_id)s AND fence = %(fence)s AND owner = %(token)s;

-- name: release
-- An operator may have set the attempts to 0 meanwhile.
UPDATE redox_lane SET
  owner = NULL, due_at = clock_timestamp(), attempts = greatest(0, attempts - 1)
WHERE id = %(lane_id)s AND fence = %(fence)s AND owner = %(token)s;

-- name: repair_clock
UPDATE redox_lane SET due_at = clock_timestamp()
WHERE due_at > statement_timestamp() + make_interval(secs => %(longest_seconds)s);

-- name: halt_lane
UPDATE redox_lane SET halted = true WHERE key = %(lane)s;

-- name: lock_halted_lane
SELECT id FROM redox_lane WHERE key = %(lane)s AND halted FOR NO KEY UPDATE;

-- name: resume_lane
-- A claim in flight keeps its lease.
UPDATE redox_lane SET
  halted = false, attempts = 0, has_work = true,
  due_at = CASE WHEN owner IS NULL THEN clock_timestamp() ELSE due_at END
WHERE key = %(lane)s AND halted;

-- name: skip_head
UPDATE redox_entry SET state = 3, error = 'skipped', finished_at = clock_timestamp()
WHERE id = (
  SELECT id FROM redox_entry
  WHERE lane_id = %(lane_id)s AND state = 0 ORDER BY id LIMIT 1
)
RETURNING id;

-- name: lock_lane_of_entry
SELECT id FROM redox_lane
WHERE id = (SELECT lane_id FROM redox_entry WHERE id = %(entry_id)s)
FOR NO KEY UPDATE;

-- name: replay_entry
UPDATE redox_entry SET state = 0, error = NULL, finished_at = NULL
WHERE id = %(entry_id)s AND state IN (2, 3)
RETURNING lane_id;

-- name: replay_lane
UPDATE redox_lane SET has_work = true, attempts = 0 WHERE id = %(lane_id)s;

-- name: empty_old
-- Without a lane's lock, so it waits for nobody: what is locked now is left for later.
UPDATE redox_entry SET state = 4, head = '', body = NULL, body_bytes = 0
WHERE id IN (
  SELECT id FROM redox_entry
  WHERE state > 0 AND state = %(state)s AND finished_at < %(before)s
  ORDER BY finished_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
);

-- name: delete_old
DELETE FROM redox_entry
WHERE id IN (
  SELECT id FROM redox_entry
  WHERE state > 0 AND state = %(state)s AND finished_at < %(before)s
  ORDER BY finished_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
);

-- name: list_lanes
SELECT
  lane.key, lane.halted,
  lane.owner IS NOT NULL AND lane.due_at > statement_timestamp(),
  coalesce(waiting.entries, 0), coalesce(dead.entries, 0), head.received_at,
  lane.due_at, lane.attempts, lane.last_error
FROM redox_lane AS lane
LEFT JOIN (
  SELECT lane_id, count(*) AS entries, min(id) AS head_id
  FROM redox_entry WHERE state = 0 GROUP BY lane_id
) AS waiting ON waiting.lane_id = lane.id
LEFT JOIN (
  SELECT lane_id, count(*) AS entries
  FROM redox_entry WHERE state > 0 AND state = 3 GROUP BY lane_id
) AS dead ON dead.lane_id = lane.id
LEFT JOIN redox_entry AS head ON head.id = waiting.head_id
WHERE lane.halted OR waiting.entries > 0 OR dead.entries > 0
ORDER BY coalesce(head.received_at, statement_timestamp()), lane.key COLLATE "C";

-- name: count_entries
SELECT
  statement_timestamp(),
  (SELECT count(*) FROM redox_entry WHERE state > 0 AND state = 2),
  (SELECT count(*) FROM redox_entry WHERE state > 0 AND state = 4),
  (SELECT coalesce(sum(repeats), 0) FROM redox_entry WHERE repeats > 0);

-- name: find_entries
SELECT
  entry.id, lane.key, entry.identity, entry.state, entry.received_at,
  entry.finished_at, entry.error, entry.repeats, entry.body_bytes,
  entry.data_model, entry.event_type, entry.log_id, entry.head
FROM redox_entry AS entry JOIN redox_lane AS lane ON lane.id = entry.lane_id
WHERE entry.id > %(after_id)s
  AND (%(entry_id)s::bigint IS NULL OR entry.id = %(entry_id)s)
  AND (%(lane)s::text IS NULL OR lane.key LIKE %(lane)s)
  AND (%(states)s::smallint[] IS NULL OR entry.state = ANY (%(states)s))
  AND (
    %(data_model)s::text IS NULL
    OR lower(replace(coalesce(entry.data_model, ''), ' ', '')) = %(data_model)s
  )
  AND (%(since)s::timestamptz IS NULL OR entry.received_at >= %(since)s)
  AND (%(before)s::timestamptz IS NULL OR entry.received_at < %(before)s)
-- By arrival within each lane.
ORDER BY entry.id LIMIT %(limit)s;
