-- Version 1. A row is one object; "template" and its like hold text in the template
-- language. Times are seconds since the epoch, 0 when not set; ids that are not set are -1.
-- Columns stand in the order of the descriptors in server/model/tables.c.

CREATE TABLE vm (
    id                 INTEGER PRIMARY KEY,
    name               TEXT    NOT NULL DEFAULT '',
    uid                INTEGER NOT NULL DEFAULT 0,
    gid                INTEGER NOT NULL DEFAULT 0,
    permissions        INTEGER NOT NULL DEFAULT 0,
    lock_level         INTEGER NOT NULL DEFAULT 0,
    lock_owner         INTEGER NOT NULL DEFAULT -1,
    lock_time          INTEGER NOT NULL DEFAULT 0,
    lock_request       INTEGER NOT NULL DEFAULT -1,
    last_poll          INTEGER NOT NULL DEFAULT 0,
    state              INTEGER NOT NULL DEFAULT 0,
    lcm_state          INTEGER NOT NULL DEFAULT 0,
    previous_state     INTEGER NOT NULL DEFAULT 0,
    previous_lcm_state INTEGER NOT NULL DEFAULT 0,
    resched            INTEGER NOT NULL DEFAULT 0,
    stime              INTEGER NOT NULL DEFAULT 0,
    etime              INTEGER NOT NULL DEFAULT 0,
    deploy_id          TEXT    NOT NULL DEFAULT '',
    template           TEXT    NOT NULL DEFAULT '',
    user_template      TEXT    NOT NULL DEFAULT '',
    operation          TEXT    NOT NULL DEFAULT ''
) STRICT;

-- One row for each stay of a machine on a host.
CREATE TABLE history (
    vm        INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    host      INTEGER NOT NULL DEFAULT -1,
    host_name TEXT    NOT NULL DEFAULT '',
    cluster   INTEGER NOT NULL DEFAULT -1,
    stime     INTEGER NOT NULL DEFAULT 0,
    etime     INTEGER NOT NULL DEFAULT 0,
    vm_mad    TEXT    NOT NULL DEFAULT '',
    tm_mad    TEXT    NOT NULL DEFAULT '',
    datastore INTEGER NOT NULL DEFAULT -1,
    pstime    INTEGER NOT NULL DEFAULT 0,
    petime    INTEGER NOT NULL DEFAULT 0,
    rstime    INTEGER NOT NULL DEFAULT 0,
    retime    INTEGER NOT NULL DEFAULT 0,
    estime    INTEGER NOT NULL DEFAULT 0,
    eetime    INTEGER NOT NULL DEFAULT 0,
    action    INTEGER NOT NULL DEFAULT 0,
    uid       INTEGER NOT NULL DEFAULT -1,
    gid       INTEGER NOT NULL DEFAULT -1,
    request   TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (vm, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE host (
    id             INTEGER PRIMARY KEY,
    name           TEXT    NOT NULL DEFAULT '',
    state          INTEGER NOT NULL DEFAULT 0,
    previous_state INTEGER NOT NULL DEFAULT 0,
    im_mad         TEXT    NOT NULL DEFAULT '',
    vm_mad         TEXT    NOT NULL DEFAULT '',
    cluster        INTEGER NOT NULL DEFAULT 0,
    template       TEXT    NOT NULL DEFAULT '',
    last_monitored INTEGER NOT NULL DEFAULT 0
) STRICT;

-- "groups": the ids of all groups of the user, separated by blanks.
-- "password": verifiers, never the password itself.
CREATE TABLE user (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL DEFAULT '',
    gid         INTEGER NOT NULL DEFAULT 1,
    groups      TEXT    NOT NULL DEFAULT '',
    password    TEXT    NOT NULL DEFAULT '',
    auth_driver TEXT    NOT NULL DEFAULT 'core',
    enabled     INTEGER NOT NULL DEFAULT 1,
    template    TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE groups (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL DEFAULT '',
    template TEXT NOT NULL DEFAULT '',
    admins   TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE cluster (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL DEFAULT '',
    template TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE datastore (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL DEFAULT '',
    uid         INTEGER NOT NULL DEFAULT 0,
    gid         INTEGER NOT NULL DEFAULT 0,
    permissions INTEGER NOT NULL DEFAULT 0,
    ds_mad      TEXT    NOT NULL DEFAULT '',
    tm_mad      TEXT    NOT NULL DEFAULT '',
    base_path   TEXT    NOT NULL DEFAULT '',
    type        INTEGER NOT NULL DEFAULT 0,
    disk_type   INTEGER NOT NULL DEFAULT 0,
    state       INTEGER NOT NULL DEFAULT 0,
    clusters    TEXT    NOT NULL DEFAULT '',
    total_mb    INTEGER NOT NULL DEFAULT 0,
    free_mb     INTEGER NOT NULL DEFAULT 0,
    used_mb     INTEGER NOT NULL DEFAULT 0,
    template    TEXT    NOT NULL DEFAULT ''
) STRICT;

-- The four words of a rule, as hexadecimal text.
CREATE TABLE acl (
    id       INTEGER PRIMARY KEY,
    user     TEXT NOT NULL DEFAULT '',
    resource TEXT NOT NULL DEFAULT '',
    rights   TEXT NOT NULL DEFAULT '',
    zone     TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE zone (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL DEFAULT '',
    state    INTEGER NOT NULL DEFAULT 0,
    template TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE vdc (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL DEFAULT '',
    groups   TEXT NOT NULL DEFAULT '',
    template TEXT NOT NULL DEFAULT ''
) STRICT;

-- The last id given in each pool, and the epoch of oned: they outlive what they counted.
CREATE TABLE counter (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
