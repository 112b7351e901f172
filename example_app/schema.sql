-- All that the application keeps. It is run as a whole, and again does no harm.
--
-- Nothing of a patient is ever deleted here: how long a hospital keeps what is for the
-- hospital to say.
BEGIN IMMEDIATE;

CREATE TABLE IF NOT EXISTS patient (
    patient_id   INTEGER PRIMARY KEY,
    source       TEXT NOT NULL,
    -- JSON: what is known, as Redox names it, without nulls.
    demographics TEXT NOT NULL DEFAULT '{}',
    -- For the search: the name without case and accents, and the date of birth.
    folded_name  TEXT,
    birth_date   TEXT,
    -- A message named this patient and another one as the same; no merge came since.
    is_doubtful  INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS patient_by_name ON patient (folded_name, birth_date);

-- A number alone says nothing: it belongs to a type, and that to a source.
CREATE TABLE IF NOT EXISTS identifier (
    source     TEXT NOT NULL,
    id_type    TEXT NOT NULL,
    id         TEXT NOT NULL,
    patient_id INTEGER NOT NULL REFERENCES patient,
    PRIMARY KEY (source, id_type, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identifier_by_patient ON identifier (patient_id);
CREATE INDEX IF NOT EXISTS identifier_by_id ON identifier (id, id_type);

CREATE TABLE IF NOT EXISTS visit (
    visit_id   INTEGER PRIMARY KEY,
    source     TEXT NOT NULL,
    number     TEXT NOT NULL,
    patient_id INTEGER NOT NULL REFERENCES patient,
    reason     TEXT,
    provider   TEXT,
    starts_at  TEXT,
    is_test    INTEGER NOT NULL,
    UNIQUE (source, number)
);
CREATE INDEX IF NOT EXISTS visit_by_patient ON visit (patient_id);

-- The way of a visit. Its last step says how things stand, and a cancellation takes
-- steps away. By order of arrival, not by Redox's ids, which do not give the sequence.
-- https://docs.redoxengine.com/basics/data-exchange-with-redox/responding-to-asynchronous-events/
CREATE TABLE IF NOT EXISTS step (
    step_id    INTEGER PRIMARY KEY,
    visit_id   INTEGER NOT NULL REFERENCES visit,
    event      TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (
        state IN ('booked', 'missed', 'expected', 'here', 'left', 'canceled')
    ),
    at         TEXT NOT NULL,
    department TEXT,
    room       TEXT,
    bed        TEXT
);
CREATE INDEX IF NOT EXISTS step_by_visit ON step (visit_id);

CREATE VIEW IF NOT EXISTS board AS
SELECT visit.*, state, at, department, room, bed, demographics, is_doubtful
FROM visit
JOIN patient USING (patient_id)
JOIN step ON step_id = (
    SELECT max(step_id) FROM step WHERE step.visit_id = visit.visit_id
);

-- Redox delivers at least once; the second time finds its identity here.
CREATE TABLE IF NOT EXISTS seen (
    identity    TEXT PRIMARY KEY,
    received_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_by_time ON seen (received_at);

CREATE TABLE IF NOT EXISTS tally (
    data_model TEXT NOT NULL,
    event_type TEXT NOT NULL,
    received   INTEGER NOT NULL,
    -- Of these: without what the board needs to show them.
    set_aside  INTEGER NOT NULL,
    last_at    TEXT NOT NULL,
    PRIMARY KEY (data_model, event_type)
) WITHOUT ROWID;

PRAGMA user_version = 1;
COMMIT;
