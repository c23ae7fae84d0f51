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

-- Limits and counters of one user (kind 0) or group (1); "owner" -1: the default limits. "type": 0
-- machines, 1 a datastore, 2 a network, 3 an image; "ref": its id, or the clusters of a quota of
-- machines per cluster. Amounts stand as "NAME=amount ...".
CREATE TABLE quota (
    kind   INTEGER NOT NULL,
    owner  INTEGER NOT NULL,
    type   INTEGER NOT NULL,
    ref    TEXT    NOT NULL,
    limits TEXT    NOT NULL DEFAULT '',
    used   TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (kind, owner, type, ref)
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

-- Snapshots of a machine's disks, in the template language: server/model/machine/vm_snapshots.h.
ALTER TABLE vm ADD COLUMN snapshots TEXT NOT NULL DEFAULT '';
-- The destination of a migration does not have the machine, and its own host could not be asked.
ALTER TABLE vm ADD COLUMN stayed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE network (
    id             INTEGER PRIMARY KEY,
    name           TEXT    NOT NULL DEFAULT '',
    uid            INTEGER NOT NULL DEFAULT 0,
    gid            INTEGER NOT NULL DEFAULT 0,
    permissions    INTEGER NOT NULL DEFAULT 0,
    lock_level     INTEGER NOT NULL DEFAULT 0,
    lock_owner     INTEGER NOT NULL DEFAULT -1,
    lock_time      INTEGER NOT NULL DEFAULT 0,
    lock_request   INTEGER NOT NULL DEFAULT -1,
    state          INTEGER NOT NULL DEFAULT 0,
    previous_state INTEGER NOT NULL DEFAULT 0,
    clusters       TEXT    NOT NULL DEFAULT '',
    parent         INTEGER NOT NULL DEFAULT -1,
    template_id    INTEGER NOT NULL DEFAULT -1,
    vlan_given     INTEGER NOT NULL DEFAULT 0,
    next_range     INTEGER NOT NULL DEFAULT 0,
    template       TEXT    NOT NULL DEFAULT ''
) STRICT;

-- A range of addresses of a network. Of a reservation, "parent" is the range of the parent network
-- and "parent_first" the place in it of the first address.
CREATE TABLE address_range (
    network      INTEGER NOT NULL,
    id           INTEGER NOT NULL,
    next         INTEGER NOT NULL DEFAULT 0,
    parent       INTEGER NOT NULL DEFAULT -1,
    parent_first INTEGER NOT NULL DEFAULT 0,
    attributes   TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (network, id)
) STRICT, WITHOUT ROWID;

-- An address in use, by its place in the range. "holder": 1 a machine, 2 another network, 3 a
-- virtual router, 4 an administrator.
CREATE TABLE lease (
    network   INTEGER NOT NULL,
    range     INTEGER NOT NULL,
    place     INTEGER NOT NULL,
    holder    INTEGER NOT NULL,
    holder_id INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (network, range, place)
) STRICT, WITHOUT ROWID;

-- "outdated", "failed": machines whose hosts have other rules than these yet, and did not take them.
CREATE TABLE security_group (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL DEFAULT '',
    uid         INTEGER NOT NULL DEFAULT 0,
    gid         INTEGER NOT NULL DEFAULT 0,
    permissions INTEGER NOT NULL DEFAULT 0,
    template    TEXT    NOT NULL DEFAULT '',
    outdated    TEXT    NOT NULL DEFAULT '',
    failed      TEXT    NOT NULL DEFAULT ''
) STRICT;

-- Members of virtual data centers, by id in this zone; -10 is all of them.
ALTER TABLE vdc ADD COLUMN clusters   TEXT NOT NULL DEFAULT '';
ALTER TABLE vdc ADD COLUMN hosts      TEXT NOT NULL DEFAULT '';
ALTER TABLE vdc ADD COLUMN datastores TEXT NOT NULL DEFAULT '';
ALTER TABLE vdc ADD COLUMN networks   TEXT NOT NULL DEFAULT '';
UPDATE vdc SET clusters = '-10' WHERE id = 0;

-- Lets its holder log in as the user. "expires" -1: never; "gid" -1: for all groups of the user.
CREATE TABLE login_token (
    user    INTEGER NOT NULL,
    token   TEXT    NOT NULL,
    expires INTEGER NOT NULL DEFAULT -1,
    gid     INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (user, token)
) STRICT, WITHOUT ROWID;

-- When the figures of a datastore were asked for, in microseconds.
ALTER TABLE datastore ADD COLUMN measured INTEGER NOT NULL DEFAULT 0;

-- "users": ids of machines, once for each disk; "clones": ids of images that are copied from it.
-- "work" is what its driver is doing (ImageWork in server/model/storage/image.h), "stored" when it had made
-- it, in microseconds. "snapshots": in the template language.
CREATE TABLE image (
    id              INTEGER PRIMARY KEY,
    name            TEXT    NOT NULL DEFAULT '',
    uid             INTEGER NOT NULL DEFAULT 0,
    gid             INTEGER NOT NULL DEFAULT 0,
    permissions     INTEGER NOT NULL DEFAULT 0,
    lock_level      INTEGER NOT NULL DEFAULT 0,
    lock_owner      INTEGER NOT NULL DEFAULT -1,
    lock_time       INTEGER NOT NULL DEFAULT 0,
    lock_request    INTEGER NOT NULL DEFAULT -1,
    type            INTEGER NOT NULL DEFAULT 0,
    disk_type       INTEGER NOT NULL DEFAULT 0,
    persistent      INTEGER NOT NULL DEFAULT 0,
    regtime         INTEGER NOT NULL DEFAULT 0,
    modtime         INTEGER NOT NULL DEFAULT 0,
    source          TEXT    NOT NULL DEFAULT '',
    path            TEXT    NOT NULL DEFAULT '',
    format          TEXT    NOT NULL DEFAULT '',
    fs              TEXT    NOT NULL DEFAULT '',
    size            INTEGER NOT NULL DEFAULT 0,
    state           INTEGER NOT NULL DEFAULT 0,
    previous_state  INTEGER NOT NULL DEFAULT 0,
    datastore       INTEGER NOT NULL DEFAULT 0,
    users           TEXT    NOT NULL DEFAULT '',
    clones          TEXT    NOT NULL DEFAULT '',
    cloning_id      INTEGER NOT NULL DEFAULT -1,
    target_snapshot INTEGER NOT NULL DEFAULT -1,
    work            INTEGER NOT NULL DEFAULT 0,
    token           TEXT    NOT NULL DEFAULT '',
    stored          INTEGER NOT NULL DEFAULT 0,
    snapshots       TEXT    NOT NULL DEFAULT '',
    template        TEXT    NOT NULL DEFAULT ''
) STRICT;

-- A group of machines. "roles": ROLE = [ ID, NAME, ... ] in the template language; who has them
-- stands in the machines' templates.
CREATE TABLE vm_group (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL DEFAULT '',
    uid          INTEGER NOT NULL DEFAULT 0,
    gid          INTEGER NOT NULL DEFAULT 0,
    permissions  INTEGER NOT NULL DEFAULT 0,
    lock_level   INTEGER NOT NULL DEFAULT 0,
    lock_owner   INTEGER NOT NULL DEFAULT -1,
    lock_time    INTEGER NOT NULL DEFAULT 0,
    lock_request INTEGER NOT NULL DEFAULT -1,
    next_role    INTEGER NOT NULL DEFAULT 0,
    roles        TEXT    NOT NULL DEFAULT '',
    template     TEXT    NOT NULL DEFAULT ''
) STRICT;
