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
