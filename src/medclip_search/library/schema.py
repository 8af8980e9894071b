"""The catalogue's tables, and the steps from one version of them to the next.

The version stands in SQLite's ``user_version``. ``STEPS[n]`` leads from version n to n + 1;
a step that has been released is never edited, a change is a new step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from medclip_search.errors import LibraryTooNewError

_FIRST = """
CREATE TABLE facts (               -- what the library is: id, encoder, limit
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sources (             -- a corpus as it was last given
    source INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    spec   TEXT NOT NULL,          -- JSON
    root   TEXT NOT NULL           -- image paths are relative to this folder where they can be
);

CREATE TABLE cases (
    key           INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again
    id            TEXT NOT NULL UNIQUE,
    source        INTEGER NOT NULL REFERENCES sources,
    source_id     TEXT NOT NULL,
    caption       TEXT NOT NULL,
    image_path    TEXT,
    image_frame   INTEGER,
    image_stat    TEXT,            -- size and time of the image file when it was last seen
    embedded_stat TEXT,            -- the same when it was last decoded: equal means unchanged
    article       TEXT,
    licence       TEXT,
    licence_class TEXT,
    year          INTEGER,
    modality      TEXT,
    region        TEXT,
    keywords      TEXT NOT NULL,   -- JSON
    cuis          TEXT NOT NULL,   -- JSON
    metadata      TEXT NOT NULL,   -- JSON
    origins       TEXT NOT NULL,   -- JSON
    signature     BLOB NOT NULL,   -- digest of the columns above that the source gives
    seen          INTEGER NOT NULL,-- the last build that met this case in its source
    UNIQUE (source, source_id)
);

CREATE TABLE removed (             -- taken out by the user: later builds leave them out
    source    INTEGER NOT NULL REFERENCES sources,
    source_id TEXT NOT NULL,
    PRIMARY KEY (source, source_id)
) WITHOUT ROWID;

CREATE TABLE changed (key INTEGER PRIMARY KEY);  -- cases touched since the last generation

CREATE TABLE append_files (        -- counted bytes of each append-only file
    name  TEXT PRIMARY KEY,        -- 'thumbnails', or the name of a space
    path  TEXT NOT NULL,           -- relative to the library
    bytes INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE blocks (              -- checksums of what append-only files hold
    name     TEXT NOT NULL REFERENCES append_files,
    start    INTEGER NOT NULL,
    length   INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (name, start)
) WITHOUT ROWID;

CREATE TABLE spaces (              -- each has a row table of its own, rows_<number>
    number       INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    encoder      TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,    -- SHA-256 of weights and preprocessing
    dimension    INTEGER NOT NULL,
    embeds_words INTEGER NOT NULL,
    centred      INTEGER NOT NULL
);

CREATE TABLE thumbnails (
    key    INTEGER PRIMARY KEY,
    start  INTEGER NOT NULL,
    length INTEGER NOT NULL
);
"""

_SECOND = """
ALTER TABLE cases ADD COLUMN image_member TEXT;          -- the picture's place in a zip or Parquet
ALTER TABLE cases ADD COLUMN source_row INTEGER;         -- row of its table: ready-made vectors
ALTER TABLE cases ADD COLUMN image_deleted INTEGER NOT NULL DEFAULT 0;  -- on the user's request
ALTER TABLE spaces ADD COLUMN holds TEXT NOT NULL DEFAULT 'images';
ALTER TABLE spaces ADD COLUMN joint TEXT NOT NULL DEFAULT '';

CREATE TABLE given (               -- sources that bring ready-made vectors of a space
    source INTEGER NOT NULL REFERENCES sources,
    space  TEXT NOT NULL,
    mark   TEXT NOT NULL,          -- size and time of the file when it was last taken in whole
    PRIMARY KEY (source, space)
) WITHOUT ROWID;
"""

_CASES = """
    key, id, source, source_id, caption, image_path, image_frame, image_member, image_stat,
    image_deleted, embedded_stat, article, licence, licence_class, year, modality, region,
    keywords, cuis, metadata, signature, seen, source_row
"""

_THIRD = f"""
CREATE TABLE origins (             -- what cases say of where values came from: few, of many cases
    number INTEGER PRIMARY KEY,
    json   TEXT NOT NULL UNIQUE
);
INSERT INTO origins (json) SELECT DISTINCT origins FROM cases;

CREATE TABLE cases_smaller (
    key           INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again
    id            TEXT NOT NULL UNIQUE,
    source        INTEGER NOT NULL REFERENCES sources,
    source_id     TEXT,            -- the source's own id, where it is another
    caption       TEXT NOT NULL,
    image_path    TEXT,
    image_frame   INTEGER,
    image_member  TEXT,            -- the picture's place in a zip or Parquet
    image_stat    TEXT,            -- size and time of the image file when it was last seen
    image_deleted INTEGER NOT NULL DEFAULT 0,  -- on the user's request
    embedded_stat TEXT,            -- the same when it was last decoded: equal means unchanged
    article       TEXT,
    licence       TEXT,
    licence_class TEXT,
    year          INTEGER,
    modality      TEXT,
    region        TEXT,
    keywords      TEXT NOT NULL,   -- JSON
    cuis          TEXT NOT NULL,   -- JSON
    metadata      TEXT NOT NULL,   -- JSON
    signature     BLOB NOT NULL,   -- digest of the columns above that the source gives
    seen          INTEGER NOT NULL,-- the last build that met this case in its source
    source_row    INTEGER,         -- row of its table: ready-made vectors
    origins       INTEGER NOT NULL REFERENCES origins
);
INSERT INTO sqlite_sequence SELECT 'cases_smaller', seq FROM sqlite_sequence WHERE name = 'cases';
INSERT INTO cases_smaller ({_CASES}, origins)
    SELECT {_CASES.replace("source_id", "nullif(source_id, id)")}, o.number
    FROM cases c JOIN origins o ON o.json = c.origins ORDER BY key;
DROP TABLE cases;
ALTER TABLE cases_smaller RENAME TO cases;
CREATE UNIQUE INDEX cases_source_id ON cases (source, source_id) WHERE source_id IS NOT NULL;
CREATE INDEX cases_source ON cases (source);
-- What every build counts is counted without reading every case.
CREATE INDEX cases_image ON cases (key) WHERE image_path IS NOT NULL;
CREATE INDEX cases_image_deleted ON cases (key) WHERE image_deleted;
CREATE INDEX cases_without_caption ON cases (key) WHERE caption = '';

-- From now on cases are known to be new by their keys: those above ``last_published_key``.
DELETE FROM changed WHERE key > (
    SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'last_published_key'
);
"""

STEPS: tuple[str, ...] = (_FIRST, _SECOND, _THIRD)

_OWN_ORIGINS = "CREATE TEMP VIEW origins AS SELECT key AS number, origins AS json FROM main.cases;"

_SECOND_AS_THIRD = f"""
CREATE TEMP VIEW cases AS SELECT {_CASES}, key AS origins FROM main.cases;
{_OWN_ORIGINS}
"""

_FIRST_AS_THIRD = f"""
CREATE TEMP VIEW cases AS
    SELECT {_CASES}, key AS origins FROM (
        SELECT *, NULL AS image_member, NULL AS source_row, 0 AS image_deleted FROM main.cases
    );
{_OWN_ORIGINS}
CREATE TEMP VIEW spaces AS SELECT *, 'images' AS holds, '' AS joint FROM main.spaces;
CREATE TEMP TABLE given (source, space, mark);
"""

VIEWS: tuple[str, ...] = (_FIRST_AS_THIRD, _SECOND_AS_THIRD)
"""``VIEWS[n]`` shows a published catalogue of version n + 1, which nobody may write to, to readers
as if it were of the newest version."""


def row_table(number: int) -> str:
    """The statements that make the row table of a space. A dead row has no key."""
    return (
        f"CREATE TABLE rows_{number} ("
        "row INTEGER PRIMARY KEY, key INTEGER, digest BLOB NOT NULL);"
        f"CREATE UNIQUE INDEX rows_{number}_key ON rows_{number} (key) WHERE key IS NOT NULL;"
    )


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def refuse_newer(connection: sqlite3.Connection, name: str, steps: Sequence[str] = STEPS) -> None:
    """Raise ``LibraryTooNewError`` for a catalogue that a later program has migrated."""
    if (version := version_of(connection)) > len(steps):
        raise LibraryTooNewError(
            f"{name}: its catalogue was written by a newer MedClip Search (version {version}, this "
            f"one reads up to {len(steps)}); update with 'pip install --upgrade medclip-search'"
        )


def show_as_newest(connection: sqlite3.Connection, views: Sequence[str] = VIEWS) -> None:
    """Let a read-only catalogue of an older version be read by today's statements."""
    if version_of(connection) <= len(views):
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.executescript(views[max(0, version_of(connection) - 1)])


def migrate(connection: sqlite3.Connection, name: str, steps: Sequence[str] = STEPS) -> bool:
    """Bring a catalogue to the last version, one whole step after another.

    Tells whether there was an older one: the steps leave pages of its file empty.
    """
    refuse_newer(connection, name, steps)
    before = version_of(connection)
    for version in range(before, len(steps)):
        try:
            connection.executescript(
                f"BEGIN; {steps[version]}; PRAGMA user_version = {version + 1}; COMMIT;"
            )
        except sqlite3.Error:
            # A full disk has rolled back already; its error is the one to tell.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return 0 < before < len(steps)
