"""one.system.sqlquery: what the database says to oneadmin; and one.system.sql, which changes nothing."""
import base64

import pytest
from api.states import ACTION, AUTHORIZATION
from lxml import etree


def rows(one, sql):
    root = etree.fromstring(one.ok("one.system.sqlquery", sql).encode())
    assert root.tag == "SQL_COMMAND" and root.findtext("QUERY") == sql
    return [{column.tag: column.text for column in row} for row in root.find("RESULT")]


def test_rows(one):
    machine = one.allocate(hold=True, name="asked")
    assert rows(one, f"SELECT id, name, NULL AS missing FROM vm WHERE id = {machine};") == [{"id": str(machine), "name": "asked"}]
    assert rows(one, "SELECT count(*) FROM host") == [{"count___": "2"}]
    assert rows(one, "SELECT 1 WHERE 0") == []
    marked = rows(one, "SELECT '<a>]]></a>' AS body, 'x]]>y<' AS other, '' AS empty")
    assert base64.b64decode(marked[0]["body64"]) == b"<a>]]></a>" and marked[0]["other"] == "x]]>y<" and not marked[0]["empty"]
    # The tables of 1.2 are there, too.
    assert rows(one, f"SELECT state FROM vm_pool WHERE oid = {machine}") == [{"state": "2"}]
    assert {"value": "asked"} in rows(one, f"SELECT value FROM vm_attributes WHERE id = {machine}")


@pytest.mark.parametrize("sql, why", [
    ("DELETE FROM vm", "Only SELECT"), ("UPDATE vm SET name = 'x'", "Only SELECT"), ("ATTACH DATABASE '/tmp/x' AS y", "Only SELECT"),
    ("PRAGMA user_version", "Only SELECT"), ("CREATE TABLE x (y)", "Only SELECT"), ("SELEC", "syntax error"), ("", "One SELECT"),
    ("SELECT 1; SELECT 2", "One SELECT"), ("SELECT * FROM nowhere", "no such table"), ("SELECT 'a", "SQL command failed"),
    ("SELECT zeroblob(2000000000)", "too big"), ("SELECT length(zeroblob(100000000))", "too big"), ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n", "more than 5 s"),
    ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT hex(randomblob(100000)) FROM n", "more than 16 MiB")])
def test_what_is_refused(one, sql, why):
    one.fails("one.system.sqlquery", sql, code=ACTION, text=why)


def test_only_the_first_user(one):
    for client in (one.user("asks"), one.user("asks-too", groups=[0])):
        for method in ("one.system.sqlquery", "one.system.sql"):
            client.fails(method, "SELECT 1", code=AUTHORIZATION)


def test_verifiers_are_not_shown(one):
    users = rows(one, "SELECT id, name, password FROM user")
    assert "oneadmin" in [user["name"] for user in users] and not any(user.get("password") for user in users)
    for table in rows(one, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name LIKE '%user%'"):
        assert not any("argon2" in (value or "") for row in rows(one, f"SELECT * FROM {table['name']}") for value in row.values())


def test_nothing_is_changed(one):
    machine = one.allocate(hold=True, name="kept")
    one.fails("one.system.sql", "DELETE FROM vm", False, code=ACTION, text="oned keeps in memory")
    assert one.state(machine) == "HOLD"
