-- Times are microseconds since 1970 in UTC.

-- One subscription: claimed as a whole, so that its entries are handled in order.
CREATE TABLE lane (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    -- Never 0 while an entry waits; 1 may stand in vain after a repeat.
    has_work INTEGER NOT NULL,
    -- A column of its own: were it has_work = 0, the next put would wake the lane.
    halted INTEGER NOT NULL DEFAULT 0,
    -- Due since, end of the lease, or end of the backoff.
    due_at INTEGER NOT NULL,
    owner TEXT,
    fence INTEGER NOT NULL DEFAULT 0,
    -- Counted at the claim: an entry that kills its worker runs out of them too.
    attempts INTEGER NOT NULL DEFAULT 0,
    last_error TEXT
);
CREATE INDEX lane_ready ON lane (due_at) WHERE has_work = 1 AND halted = 0;

-- Order by number is order of arrival. SQLite counts on from the highest, so that this
-- one is never deleted without a row in its place. (AUTOINCREMENT would do, and write
-- one page more at each put.) A row is in one piece, so that a put writes few pages. To
-- complete it changes no column's length: SQLite then writes over the bytes that
-- differ, on the first page of the row, and not the body anew.
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    lane_id INTEGER NOT NULL,
    -- In 32 bytes: half of what it takes as text, here and in its index.
    identity BLOB NOT NULL,
    -- 0 waiting, 1 done, 3 dead, 4 emptied, -1 nothing but the highest number, of no
    -- lane. Neither 0 nor 1 takes a byte in the row:
    -- https://www.sqlite.org/fileformat2.html#record_format
    state INTEGER NOT NULL,
    -- Since when it is in this state.
    changed_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    error TEXT,
    repeats INTEGER NOT NULL DEFAULT 0,
    body_bytes INTEGER NOT NULL,
    -- A large body lies in this file, and not in the row.
    body_file TEXT,
    data_model TEXT,
    event_type TEXT,
    log_id TEXT,
    head TEXT NOT NULL,
    -- The last one, so that who does not ask for it reads no more than the first page.
    body BLOB,
    UNIQUE (lane_id, identity)
);
CREATE INDEX entry_head ON entry (lane_id, id) WHERE state = 0;
CREATE INDEX entry_finished ON entry (state, changed_at) WHERE state > 0;
CREATE INDEX entry_dead ON entry (state) WHERE state = 3;
CREATE INDEX entry_repeated ON entry (repeats) WHERE repeats > 0;
CREATE INDEX entry_file ON entry (body_file) WHERE body_file IS NOT NULL;
