"""The tables of the database, as steps that are never changed: a new version adds a step."""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE cameras (
        camera INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        serial TEXT NOT NULL,
        port TEXT NOT NULL
    );
    CREATE TABLE shots (
        shot INTEGER PRIMARY KEY AUTOINCREMENT,
        camera INTEGER NOT NULL REFERENCES cameras,
        port TEXT NOT NULL,
        key TEXT,
        request TEXT NOT NULL,
        asked_at REAL NOT NULL,
        state TEXT NOT NULL,
        card_known INTEGER NOT NULL,
        put_back TEXT NOT NULL DEFAULT '{}',
        outcome TEXT,
        result TEXT NOT NULL DEFAULT '{}'
    );
    CREATE INDEX shots_open ON shots (camera) WHERE state != 'closed';
    CREATE INDEX shots_key ON shots (key) WHERE key IS NOT NULL;
    CREATE TABLE card_files (
        camera INTEGER NOT NULL REFERENCES cameras,
        folder TEXT NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (camera, folder, name)
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE shots ADD COLUMN settled_at REAL",
    # A duration, because the system clock may be set between the release and the next start of the server.
    "ALTER TABLE shots ADD COLUMN settles_s REAL",
    "ALTER TABLE shots ADD COLUMN boot TEXT; ALTER TABLE shots ADD COLUMN asked_uptime_s REAL",
    """
    CREATE TABLE job_words (
        camera TEXT PRIMARY KEY,
        job TEXT NOT NULL,
        label TEXT NOT NULL,
        artist TEXT NOT NULL,
        copyright TEXT NOT NULL,
        owner TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE job_numbers (job TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
    """,
    """
    CREATE TABLE event_life (epoch TEXT NOT NULL, first_seq INTEGER NOT NULL, seq INTEGER NOT NULL, closed INTEGER NOT NULL);
    CREATE TABLE events (seq INTEGER PRIMARY KEY, at REAL NOT NULL, name TEXT NOT NULL, message BLOB NOT NULL);
    """,
    """
    CREATE TABLE jobs (
        job INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT,
        request TEXT NOT NULL,
        port TEXT NOT NULL,
        model TEXT NOT NULL,
        serial TEXT NOT NULL,
        state TEXT NOT NULL,
        starts_at REAL NOT NULL,
        boot TEXT NOT NULL,
        starts_uptime_s REAL NOT NULL,
        progress TEXT NOT NULL,
        message TEXT NOT NULL
    );
    CREATE INDEX jobs_key ON jobs (key) WHERE key IS NOT NULL;
    """,
    """
    ALTER TABLE events ADD COLUMN epoch TEXT NOT NULL DEFAULT '';
    UPDATE events SET epoch = (SELECT epoch FROM event_life) WHERE seq >= (SELECT first_seq FROM event_life);
    CREATE TABLE webhooks (url TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
    """,
    # One row while a server runs, and after a server that has ended without releasing all buttons.
    "CREATE TABLE unreleased (since REAL NOT NULL)",
)
