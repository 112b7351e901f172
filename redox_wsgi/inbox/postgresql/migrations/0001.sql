-- One row a subscription. Its lock is taken before any of its entries', always.
CREATE TABLE redox_lane (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Compared as bytes, and not by the rules of a language.
  key text COLLATE "C" NOT NULL UNIQUE,
  -- Whether an entry may wait: perhaps in vain, but never false while one does.
  has_work boolean NOT NULL DEFAULT false,
  halted boolean NOT NULL DEFAULT false,
  -- Ready since, or the end of the lease or of the backoff.
  due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  owner text,
  fence bigint NOT NULL DEFAULT 0,
  attempts integer NOT NULL DEFAULT 0,
  last_error text
) WITH (
  -- Each claim updates its lane twice: room on the page makes that cheap, and few but
  -- often dead rows are to be vacuumed by their number.
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000
);
CREATE INDEX redox_lane_ready ON redox_lane (due_at) WHERE has_work AND NOT halted;

CREATE TABLE redox_entry (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Of a lane that is never deleted: to have that checked would cost every put.
  lane_id bigint NOT NULL,
  identity text COLLATE "C" NOT NULL,
  -- 0 waiting, 2 done, 3 dead, 4 emptied.
  state smallint NOT NULL DEFAULT 0,
  received_at timestamptz NOT NULL,
  finished_at timestamptz,
  error text,
  repeats integer NOT NULL DEFAULT 0,
  -- Whether the last repeat found it dead; only for the answer of the put.
  revived boolean NOT NULL DEFAULT false,
  data_model text,
  event_type text,
  log_id text,
  head text NOT NULL,
  body bytea,
  body_bytes bigint NOT NULL,
  UNIQUE (lane_id, identity)
) WITH (fillfactor = 90);
-- Bodies hold files in base64: to compress 40 MB costs a second and saves little.
ALTER TABLE redox_entry ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX redox_entry_head ON redox_entry (lane_id, id) WHERE state = 0;
CREATE INDEX redox_entry_old ON redox_entry (state, finished_at) WHERE state > 0;
CREATE INDEX redox_entry_repeats ON redox_entry (repeats) WHERE repeats > 0;
