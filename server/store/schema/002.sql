-- Version 2. Times are seconds since the epoch, 0 when not set; figures that are not known
-- are -1.

-- One row for each order to move a machine. "record" is the history record made for it while
-- its result may still change, else -1. "options" and "more" hold text: what the order asked
-- for in the template language, and figures of the driver that have no column, "name=value ...".
CREATE TABLE migration (
    vm               INTEGER NOT NULL,
    number           INTEGER NOT NULL,
    record           INTEGER NOT NULL DEFAULT -1,
    source           INTEGER NOT NULL DEFAULT -1,
    source_name      TEXT    NOT NULL DEFAULT '',
    destination      INTEGER NOT NULL DEFAULT -1,
    destination_name TEXT    NOT NULL DEFAULT '',
    kind             INTEGER NOT NULL DEFAULT 0,
    mode             TEXT    NOT NULL DEFAULT '',
    storage          TEXT    NOT NULL DEFAULT '',
    result           INTEGER NOT NULL DEFAULT 0,
    reason           TEXT    NOT NULL DEFAULT '',
    options          TEXT    NOT NULL DEFAULT '',
    started          INTEGER NOT NULL DEFAULT 0,
    ended            INTEGER NOT NULL DEFAULT 0,
    elapsed_ms       INTEGER NOT NULL DEFAULT -1,
    total_ms         INTEGER NOT NULL DEFAULT -1,
    downtime_ms      INTEGER NOT NULL DEFAULT -1,
    setup_ms         INTEGER NOT NULL DEFAULT -1,
    bytes            INTEGER NOT NULL DEFAULT -1,
    memory_bytes     INTEGER NOT NULL DEFAULT -1,
    disk_bytes       INTEGER NOT NULL DEFAULT -1,
    rounds           INTEGER NOT NULL DEFAULT -1,
    dirty_rate       INTEGER NOT NULL DEFAULT -1,
    more             TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (vm, number)
) STRICT, WITHOUT ROWID;

-- A template of machines.
CREATE TABLE vm_template (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL DEFAULT '',
    uid          INTEGER NOT NULL DEFAULT 0,
    gid          INTEGER NOT NULL DEFAULT 0,
    permissions  INTEGER NOT NULL DEFAULT 0,
    lock_level   INTEGER NOT NULL DEFAULT 0,
    lock_owner   INTEGER NOT NULL DEFAULT -1,
    lock_time    INTEGER NOT NULL DEFAULT 0,
    lock_request INTEGER NOT NULL DEFAULT -1,
    regtime      INTEGER NOT NULL DEFAULT 0,
    type         INTEGER NOT NULL DEFAULT 0,
    template     TEXT    NOT NULL DEFAULT ''
) STRICT;

-- A template of networks.
CREATE TABLE vnet_template (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL DEFAULT '',
    uid          INTEGER NOT NULL DEFAULT 0,
    gid          INTEGER NOT NULL DEFAULT 0,
    permissions  INTEGER NOT NULL DEFAULT 0,
    lock_level   INTEGER NOT NULL DEFAULT 0,
    lock_owner   INTEGER NOT NULL DEFAULT -1,
    lock_time    INTEGER NOT NULL DEFAULT 0,
    lock_request INTEGER NOT NULL DEFAULT -1,
    regtime      INTEGER NOT NULL DEFAULT 0,
    type         INTEGER NOT NULL DEFAULT 0,
    template     TEXT    NOT NULL DEFAULT ''
) STRICT;

-- A document of a client; "type" is as its makers count.
CREATE TABLE document (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL DEFAULT '',
    uid          INTEGER NOT NULL DEFAULT 0,
    gid          INTEGER NOT NULL DEFAULT 0,
    permissions  INTEGER NOT NULL DEFAULT 0,
    lock_level   INTEGER NOT NULL DEFAULT 0,
    lock_owner   INTEGER NOT NULL DEFAULT -1,
    lock_time    INTEGER NOT NULL DEFAULT 0,
    lock_request INTEGER NOT NULL DEFAULT -1,
    regtime      INTEGER NOT NULL DEFAULT 0,
    type         INTEGER NOT NULL DEFAULT 0,
    template     TEXT    NOT NULL DEFAULT ''
) STRICT;

-- Snapshots of a machine's disks, in the template language: server/model/vm_snapshots.h.
ALTER TABLE vm ADD COLUMN snapshots TEXT NOT NULL DEFAULT '';
