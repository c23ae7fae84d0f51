-- Version 3. Times are seconds since the epoch, 0 when not set; figures that are not known
-- are -1.

-- What is to be done to an object ("kind" as in rules, such as VM) at a time. "first": TIME as it
-- was given, "time": when it is due. Numbers as in server/model/sched_action.h.
CREATE TABLE sched_action (
    id        INTEGER PRIMARY KEY,
    kind      TEXT    NOT NULL DEFAULT '',
    owner     INTEGER NOT NULL DEFAULT -1,
    action    TEXT    NOT NULL DEFAULT '',
    args      TEXT    NOT NULL DEFAULT '',
    first     INTEGER NOT NULL DEFAULT 0,
    time      INTEGER NOT NULL DEFAULT 0,
    repeat    INTEGER NOT NULL DEFAULT -1,
    days      TEXT    NOT NULL DEFAULT '',
    end_type  INTEGER NOT NULL DEFAULT -1,
    end_value INTEGER NOT NULL DEFAULT -1,
    done      INTEGER NOT NULL DEFAULT -1,
    message   TEXT    NOT NULL DEFAULT '',
    warning   INTEGER NOT NULL DEFAULT 0,
    attempts  INTEGER NOT NULL DEFAULT 0,
    tried_at  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What a machine cost in a month: server/model/showback.h.
CREATE TABLE showback (
    vm          INTEGER NOT NULL,
    year        INTEGER NOT NULL,
    month       INTEGER NOT NULL,
    cpu_cost    REAL    NOT NULL DEFAULT 0,
    memory_cost REAL    NOT NULL DEFAULT 0,
    disk_cost   REAL    NOT NULL DEFAULT 0,
    hours       REAL    NOT NULL DEFAULT 0,
    running     REAL    NOT NULL DEFAULT 0,
    PRIMARY KEY (vm, year, month)
) STRICT, WITHOUT ROWID;

-- A hook: a program that is run when something enters a state (type 0) or after a call (1).
-- "next_run" is the number of its next execution.
CREATE TABLE hook (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL DEFAULT '',
    uid          INTEGER NOT NULL DEFAULT 0,
    gid          INTEGER NOT NULL DEFAULT 0,
    permissions  INTEGER NOT NULL DEFAULT 0,
    lock_level   INTEGER NOT NULL DEFAULT 0,
    lock_owner   INTEGER NOT NULL DEFAULT -1,
    lock_time    INTEGER NOT NULL DEFAULT 0,
    lock_request INTEGER NOT NULL DEFAULT -1,
    type         INTEGER NOT NULL DEFAULT 0,
    next_run     INTEGER NOT NULL DEFAULT 0,
    template     TEXT    NOT NULL DEFAULT ''
) STRICT;

-- One execution of a hook, written before its program is started. "out" and "errors" are base64;
-- "code" is the exit code, -1 when there is none and "errors" says why.
CREATE TABLE hook_run (
    hook      INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    time      INTEGER NOT NULL DEFAULT 0,
    under_way INTEGER NOT NULL DEFAULT 0,
    retry     INTEGER NOT NULL DEFAULT 0,
    code      INTEGER NOT NULL DEFAULT -1,
    arguments TEXT    NOT NULL DEFAULT '',
    host      TEXT    NOT NULL DEFAULT '',
    command   TEXT    NOT NULL DEFAULT '',
    out       TEXT    NOT NULL DEFAULT '',
    errors    TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (hook, number)
) STRICT, WITHOUT ROWID;

-- A marketplace. "mad": its driver.
CREATE TABLE marketplace (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL DEFAULT '',
    uid         INTEGER NOT NULL DEFAULT 0,
    gid         INTEGER NOT NULL DEFAULT 0,
    permissions INTEGER NOT NULL DEFAULT 0,
    mad         TEXT    NOT NULL DEFAULT '',
    state       INTEGER NOT NULL DEFAULT 0,
    zone        INTEGER NOT NULL DEFAULT 0,
    total_mb    INTEGER NOT NULL DEFAULT 0,
    free_mb     INTEGER NOT NULL DEFAULT 0,
    used_mb     INTEGER NOT NULL DEFAULT 0,
    template    TEXT    NOT NULL DEFAULT ''
) STRICT;

-- An app of a marketplace. "template64": what images made of it get, in base64; "imported": its name
-- in a public catalogue. "work" is what its driver is doing (AppWork in server/model/market.h).
CREATE TABLE marketplace_app (
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
    zone         INTEGER NOT NULL DEFAULT 0,
    origin       INTEGER NOT NULL DEFAULT -1,
    source       TEXT    NOT NULL DEFAULT '',
    md5          TEXT    NOT NULL DEFAULT '',
    size         INTEGER NOT NULL DEFAULT 0,
    description  TEXT    NOT NULL DEFAULT '',
    version      TEXT    NOT NULL DEFAULT '',
    format       TEXT    NOT NULL DEFAULT '',
    template64   TEXT    NOT NULL DEFAULT '',
    market       INTEGER NOT NULL DEFAULT 0,
    state        INTEGER NOT NULL DEFAULT 0,
    type         INTEGER NOT NULL DEFAULT 0,
    imported     TEXT    NOT NULL DEFAULT '',
    work         INTEGER NOT NULL DEFAULT 0,
    template     TEXT    NOT NULL DEFAULT ''
) STRICT;

-- Of machines: how they are backed up and which backups there are; of images: what a backup holds.
-- Both in the template language (server/model/vm_backups.h, image_backup.h).
ALTER TABLE vm ADD COLUMN backups TEXT NOT NULL DEFAULT '';
ALTER TABLE image ADD COLUMN backup TEXT NOT NULL DEFAULT '';

-- A virtual router. Its cards stand in the template with their NIC_ID; its machines name it in
-- theirs.
CREATE TABLE vrouter (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL DEFAULT '',
    uid          INTEGER NOT NULL DEFAULT 0,
    gid          INTEGER NOT NULL DEFAULT 0,
    permissions  INTEGER NOT NULL DEFAULT 0,
    lock_level   INTEGER NOT NULL DEFAULT 0,
    lock_owner   INTEGER NOT NULL DEFAULT -1,
    lock_time    INTEGER NOT NULL DEFAULT 0,
    lock_request INTEGER NOT NULL DEFAULT -1,
    template     TEXT    NOT NULL DEFAULT ''
) STRICT;
