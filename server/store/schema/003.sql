-- Version 3. Times are seconds since the epoch, 0 when not set; figures that are not known
-- are -1.

-- What is to be done to an object ("kind" as in rules, such as VM) at a time. "first": TIME as it
-- was given, "time": when it is due. Numbers as in server/model/machine/sched_action.h.
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

-- Machines to be moved, in the template language: server/lifecycle/cluster_plan.h.
ALTER TABLE cluster ADD COLUMN plan TEXT NOT NULL DEFAULT '';
-- The plan, which is its cluster, and the action of it that ended a stay.
ALTER TABLE history ADD COLUMN plan INTEGER NOT NULL DEFAULT -1;
ALTER TABLE history ADD COLUMN plan_action INTEGER NOT NULL DEFAULT -1;

-- What a machine cost in a month: server/model/machine/showback.h.
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
-- in a public catalogue. "work" is what its driver is doing (AppWork in server/model/storage/market.h).
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
-- Both in the template language (server/model/machine/vm_backups.h, image_backup.h).
ALTER TABLE vm ADD COLUMN backups TEXT NOT NULL DEFAULT '';
ALTER TABLE image ADD COLUMN backup TEXT NOT NULL DEFAULT '';

-- Servers of a zone: SERVER = [ ID, NAME, ENDPOINT ] each. Rules of VLANs of a group.
ALTER TABLE zone   ADD COLUMN servers     TEXT    NOT NULL DEFAULT '';
ALTER TABLE zone   ADD COLUMN next_server INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN vlan_rules  TEXT    NOT NULL DEFAULT '';

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

-- ---- What the tools of OpenNebula 1.2 read from the file itself ----
--
-- Its tables under its names, with its columns in its order: views, so that they cost nothing when
-- something is written. A table of ours that had such a name is called otherwise. Ids, types and ends
-- are texts, as the library of 2009 gave every number: the tools call methods of texts on them.
ALTER TABLE history RENAME TO vm_history;

-- States are those that 1.2 knows. Within ACTIVE its command line has no name for PROLOG_RESUME, so
-- that the numbers behind it are one less there. Memory (KiB) and processors (percent) are what a
-- machine was given: what it uses of them is not in this file.
CREATE VIEW vm_pool AS
SELECT CAST(id AS TEXT) AS oid, uid, last_poll, CAST(id AS TEXT) AS template_id,
       CASE state WHEN 8 THEN 5 WHEN 9 THEN 4 WHEN 10 THEN 1 WHEN 11 THEN 7 ELSE state END AS state,
       CASE WHEN lcm_state <= 8 THEN lcm_state
            WHEN lcm_state IN (9, 31, 33, 39, 49, 50) THEN 1
            WHEN lcm_state IN (19, 20, 21, 22, 32, 35, 36, 37, 47, 48) THEN 2
            WHEN lcm_state IN (38, 43, 44, 45, 46, 60, 61) THEN 8
            WHEN lcm_state IN (10, 30, 41, 42) THEN 9
            WHEN lcm_state IN (11, 34, 40) THEN 10
            WHEN lcm_state IN (12, 18, 29) THEN 11
            WHEN lcm_state IN (15, 23) THEN 12
            ELSE 3 END AS lcm_state,
       stime, CAST(etime AS TEXT) AS etime, deploy_id,
       1024 * CAST(substr(template, instr(char(10) || template, char(10) || 'MEMORY="') + 8)
                   AS INTEGER) AS memory,
       CAST(100 * CAST(substr(template, instr(char(10) || template, char(10) || 'CPU="') + 5)
                       AS REAL) AS INTEGER) AS cpu,
       0 AS net_tx, 0 AS net_rx
FROM vm;

CREATE VIEW history AS
SELECT CAST(vm AS TEXT) AS vid, seq, host_name, '' AS vm_dir, host AS hid, vm_mad, tm_mad, stime,
       CAST(etime AS TEXT) AS etime, pstime, petime, rstime, retime, estime, eetime,
       CASE WHEN action = 0 THEN 0 WHEN action IN (9, 10, 11) THEN 2 ELSE 3 END AS reason
FROM vm_history;

-- A template by its lines, each a row: "type" 1 for NAME=[ K="v", ... ], whose value is "K=v,...".
-- A backslash is carried through json_each as another character.
CREATE VIEW vm_attributes AS
SELECT CAST(id AS TEXT) AS id, 'NAME' AS name, '0' AS type, name AS value FROM vm
UNION ALL
SELECT id, name, CASE WHEN text LIKE '[%' THEN '1' ELSE '0' END AS type,
       CASE WHEN text LIKE '[%' THEN replace(replace(trim(text, '[]'), ', ', ','), '"', '')
            ELSE replace(substr(text, 2, length(text) - 2), '\"', '"') END AS value
FROM (SELECT CAST(vm.id AS TEXT) AS id, substr(value, 1, instr(value, '=') - 1) AS name,
             replace(substr(value, instr(value, '=') + 1), char(1), '\') AS text
      FROM vm, json_each('[' || replace(json_quote(replace(template, '\', char(1))), '\n', '","') || ']'))
WHERE name <> '' AND name <> 'NAME' AND name NOT GLOB '*[^A-Z0-9_]*';

-- Of the processors and the memory that machines were given on a host, what 1.2 calls used and free.
CREATE VIEW host_shares AS
SELECT id AS hid, '' AS endpoint, 0 AS disk_usage, CAST(total(memory) AS INTEGER) AS mem_usage,
       CAST(total(cpu) AS INTEGER) AS cpu_usage, 0 AS max_disk,
       CAST(substr(template, instr(char(10) || template, char(10) || 'TOTALMEMORY="') + 13)
            AS INTEGER) * (instr(char(10) || template, char(10) || 'TOTALMEMORY="') > 0) AS max_mem,
       CAST(substr(template, instr(char(10) || template, char(10) || 'TOTALCPU="') + 10)
            AS INTEGER) * (instr(char(10) || template, char(10) || 'TOTALCPU="') > 0) AS max_cpu,
       count(oid) AS running_vms
FROM host LEFT JOIN
     (SELECT oid, memory, cpu, (SELECT host FROM vm_history WHERE vm = oid
                                ORDER BY seq DESC LIMIT 1) AS place
      FROM vm_pool WHERE state = 3) ON place = host.id
GROUP BY host.id;

CREATE VIEW host_pool AS
SELECT CAST(id AS TEXT) AS oid, name AS host_name,
       CASE state WHEN 5 THEN 3 WHEN 6 THEN 0 WHEN 7 THEN 4 WHEN 8 THEN 4 ELSE state END AS state,
       im_mad, vm_mad, coalesce((SELECT tm_mad FROM vm_history WHERE host = host.id
                                 ORDER BY stime DESC LIMIT 1), '') AS tm_mad,
       last_monitored AS last_mon_time, 1 AS managed
FROM host;

CREATE VIEW host_attributes AS
SELECT CAST(hid AS TEXT) AS id, 'USEDCPU' AS name, '0' AS type, CAST(cpu_usage AS TEXT) AS value FROM host_shares
UNION ALL
SELECT CAST(hid AS TEXT), 'FREEMEMORY', '0', CAST(max(max_mem - mem_usage, 0) AS TEXT) FROM host_shares
UNION ALL
SELECT id, name, CASE WHEN text LIKE '[%' THEN '1' ELSE '0' END AS type,
       CASE WHEN text LIKE '[%' THEN replace(replace(trim(text, '[]'), ', ', ','), '"', '')
            ELSE replace(substr(text, 2, length(text) - 2), '\"', '"') END AS value
FROM (SELECT CAST(host.id AS TEXT) AS id, substr(value, 1, instr(value, '=') - 1) AS name,
             replace(substr(value, instr(value, '=') + 1), char(1), '\') AS text
      FROM host, json_each('[' || replace(json_quote(replace(template, '\', char(1))), '\n', '","') || ']'))
WHERE name <> '' AND name <> 'NAME' AND name NOT GLOB '*[^A-Z0-9_]*';

-- "type": 0 with ranges of addresses, 1 with single ones.
CREATE VIEW network_pool AS
SELECT CAST(id AS TEXT) AS oid, uid, name,
       CASE WHEN (SELECT max(attributes NOT LIKE '%SIZE="1"%') FROM address_range AS range
                  WHERE range.network = network.id) = 0 THEN '1' ELSE '0' END AS type,
       CASE WHEN instr(char(10) || template, char(10) || 'BRIDGE="') = 0 THEN ''
            ELSE substr(substr(template, instr(char(10) || template, char(10) || 'BRIDGE="') + 8), 1,
                        instr(substr(template, instr(char(10) || template, char(10) || 'BRIDGE="')
                                               + 8), '"') - 1) END AS bridge
FROM network;

CREATE VIEW vn_template AS
SELECT id, name, CASE WHEN text LIKE '[%' THEN '1' ELSE '0' END AS type,
       CASE WHEN text LIKE '[%' THEN replace(replace(trim(text, '[]'), ', ', ','), '"', '')
            ELSE replace(substr(text, 2, length(text) - 2), '\"', '"') END AS value
FROM (SELECT CAST(network.id AS TEXT) AS id, substr(value, 1, instr(value, '=') - 1) AS name,
             replace(substr(value, instr(value, '=') + 1), char(1), '\') AS text
      FROM network, json_each('[' || replace(json_quote(replace(template, '\', char(1))), '\n', '","') || ']'))
WHERE name <> '' AND name <> 'NAME' AND name NOT GLOB '*[^A-Z0-9_]*';

-- Addresses of version 4 as numbers; hardware addresses are 02:00 and these, as 1.2 makes them.
CREATE VIEW leases AS
SELECT oid, ip, 512 AS mac_prefix, ip AS mac_suffix, vid, 1 AS used
FROM (SELECT lease.network AS oid,
             json_extract(octets, '$[0]') * 16777216 + json_extract(octets, '$[1]') * 65536 +
             json_extract(octets, '$[2]') * 256 + json_extract(octets, '$[3]') + place AS ip,
             CASE holder WHEN 1 THEN holder_id ELSE -1 END AS vid
      FROM lease JOIN
           (SELECT network, id,
                   '[' || replace(substr(rest, 1, instr(rest, '"') - 1), '.', ',') || ']' AS octets
            FROM (SELECT network, id, substr(attributes, instr(attributes, ' IP="') + 5) AS rest
                  FROM (SELECT network, id, replace(attributes, '[IP="', '[ IP="') AS attributes
                        FROM address_range)
                  WHERE instr(attributes, ' IP="') > 0)) AS ranges
           ON ranges.network = lease.network AND ranges.id = lease.range);

-- A backup job; lists are ids of machines. "started": of the run under way.
CREATE TABLE backup_job (
    id            INTEGER PRIMARY KEY,
    name          TEXT    NOT NULL DEFAULT '',
    uid           INTEGER NOT NULL DEFAULT 0,
    gid           INTEGER NOT NULL DEFAULT 0,
    permissions   INTEGER NOT NULL DEFAULT 0,
    lock_level    INTEGER NOT NULL DEFAULT 0,
    lock_owner    INTEGER NOT NULL DEFAULT -1,
    lock_time     INTEGER NOT NULL DEFAULT 0,
    lock_request  INTEGER NOT NULL DEFAULT -1,
    priority      INTEGER NOT NULL DEFAULT 0,
    last_time     INTEGER NOT NULL DEFAULT 0,
    last_duration INTEGER NOT NULL DEFAULT 0,
    started       INTEGER NOT NULL DEFAULT 0,
    updated       TEXT    NOT NULL DEFAULT '',
    outdated      TEXT    NOT NULL DEFAULT '',
    backing_up    TEXT    NOT NULL DEFAULT '',
    errors        TEXT    NOT NULL DEFAULT '',
    waiting       TEXT    NOT NULL DEFAULT '',
    template      TEXT    NOT NULL DEFAULT ''
) STRICT;
