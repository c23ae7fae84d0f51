-- Version 4.

-- How a suspended machine was suspended: 0: its memory is in a file, 1: it stands still on its
-- host, -1: it is not suspended, or was by a version that did not note it.
ALTER TABLE vm ADD COLUMN frozen INTEGER NOT NULL DEFAULT -1;
