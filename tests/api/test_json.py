"""The JSON route: every method at POST /api/<method>, with the rights, limits and errors of XML-RPC."""
import base64
import http.client
import json

import pytest
from api.states import ACTION, AUTHENTICATION, AUTHORIZATION, NO_EXISTS
from api.test_methods import BY_NAME, needed


def basic(session):
    return "Basic " + base64.b64encode(session.encode()).decode()


def post(one, method, body=None, session=None, headers=None, verb="POST"):
    """Status, headers, and what the body says."""
    sent = {"Content-Type": "application/json"}
    if session is not False:
        sent["Authorization"] = basic(session or one.session)
    sent |= headers or {}
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    status, heads, answer = one.http(data, sent, verb, f"/api/{method}")
    assert heads["content-type"] == "application/json", (status, heads, answer)
    return status, heads, json.loads(answer)


def done(one, method, body=None, **options):
    status, _, answer = post(one, method, body, **options)
    assert status == 200 and "error" not in answer, answer
    return answer


def refused(one, status, method, body=None, code=None, text="", **options):
    got, heads, answer = post(one, method, body, **options)
    assert got == status and list(answer) == ["error"], (got, answer)
    assert code is None or answer["error"]["code"] == code, answer
    assert text in answer["error"]["message"], answer
    return heads


@pytest.fixture(scope="module")
def machine(one):
    return one.allocate('NOTE = "says \\"hi\\""\nDISK = [ TYPE = fs, SIZE = 1 ]', hold=True, name="jason")


def test_object(one, machine):
    vm = done(one, "one.vm.info", [machine])["VM"]
    assert vm["ID"] == str(machine) and vm["NAME"] == "jason" and vm["USER_TEMPLATE"]["NOTE"] == 'says "hi"'
    assert vm["TEMPLATE"]["DISK"][0]["SIZE"] == "1" and vm["HISTORY_RECORDS"] == {}
    assert done(one, "one.vm.info", {"id": machine})["VM"] == vm
    assert [row["NAME"] for row in done(one, "one.vmpool.info", [-2, -1, -1, -1])["VM_POOL"]["VM"]] == ["jason"]
    assert {row["NAME"] for row in done(one, "one.hostpool.info")["HOST_POOL"]["HOST"]} == {"h1", "h2"}
    assert done(one, "globule.vm.migrations", {"id": machine}) == {"MIGRATION_POOL": {}}
    assert done(one, "one.vm.monitoring", [machine]) == {"MONITORING_DATA": {}}


def test_plain_results(one, machine):
    assert done(one, "one.system.version", []) == {"result": "7.4.0"}
    assert done(one, "one.vm.rename", {"id": machine, "name": "jason"}) == {"result": machine}
    assert done(one, "one.vm.update", [machine, "ODD = \"\u00e4 \U0001f600\"", 1]) == {"result": machine}
    assert done(one, "one.vm.info", [machine])["VM"]["USER_TEMPLATE"]["ODD"] == "\u00e4 \U0001f600"
    assert "one.vm.info" in done(one, "system.listMethods", session=False)["result"]
    assert done(one, "system.methodSignature", {"method": "one.system.version"}, session=False) == {
        "result": [["array", "string"]]}


@pytest.mark.parametrize("method", BY_NAME)
def test_every_method_answers(one, method):
    """As XML-RPC does: done, or refused with the same code and text."""
    _, arguments, _ = BY_NAME[method]
    looks = method.endswith(("info", "monitoring", "version", "config", "raftstatus"))
    values = needed(arguments) if looks else [4711 if kind == "id" else value for kind, value in arguments]
    if not looks and not any(kind == "id" for kind, _ in arguments):
        values = values[:-1] + [{}]  # what makes something is asked with a wrong type: nothing is made
        refused(one, 400, method, values, code=-501)
        return
    status, _, answer = post(one, method, values)
    reply = one.call(method, *values)
    if reply[0]:
        assert status == 200 and (reply[1].startswith("<") or answer == {"result": reply[1]}), answer
    else:
        assert answer == {"error": {"code": reply[2], "message": reply[1]}}
        assert status == {NO_EXISTS: 404, ACTION: 409, AUTHORIZATION: 403}.get(reply[2], 400)


def test_errors(one, machine):
    heads = refused(one, 401, "one.vm.info", [machine], code=AUTHENTICATION, session=False)
    assert heads["www-authenticate"].startswith('Basic realm="Globule"')
    refused(one, 401, "one.vm.info", [machine], code=AUTHENTICATION, session="oneadmin:wrong")
    refused(one, 401, "one.vm.info", [machine], headers={"Authorization": "Bearer abc"})
    refused(one, 404, "one.vm.info", [4711], code=NO_EXISTS, text="[one.vm.info] Error getting virtual machine [4711].")
    refused(one, 409, "one.vm.action", ["suspend", machine], code=ACTION)
    ann = one.user("ann-of-json")
    refused(one, 403, "one.vm.info", [machine], code=AUTHORIZATION, session=ann.session)
    refused(one, 404, "one.vm.fly", [1], code=-506, text="'one.vm.fly' not defined")
    refused(one, 404, "", [1], text="There is nothing at /api/")
    refused(one, 404, "a/b", [1])
    refused(one, 404, "system.multicall", [])
    own = ann.allocate(hold=True)
    ann.ok("one.vm.lock", own, 4)
    refused(one, 403, "one.vm.rename", [own, "x"], code=AUTHORIZATION, text="locked", session=ann.session)
    ann.ok("one.vm.unlock", own)
    one.ok("one.vm.recover", own, 3)


@pytest.mark.parametrize("body, text", [
    (b"[1", "at byte 2: the text ends where a comma or ] is expected"), (b"{'id': 1}", "a text in double quotes"),
    (b"[1] []", "where the end is expected"), (b"nonsense", "where a value is expected"),
    (b'["\xff"]', "this is not UTF-8"), (b'["\\u0000"]', "U+0000 cannot be kept"),
])
def test_bad_json(one, body, text):
    refused(one, 400, "one.vm.info", body, text=text)


def test_wrong_arguments(one, machine):
    refused(one, 400, "one.vm.info", [], code=-501, text="Not enough parameters")
    refused(one, 400, "one.vm.info", ["x"], code=-501, text="integer")
    refused(one, 400, "one.vm.info", [2**40], code=-501)
    refused(one, 400, "one.vm.info", [1.5], code=-501)
    refused(one, 400, "one.vm.info", [None], code=-501)
    refused(one, 400, "one.vm.info", {"number": 1}, code=-501, text="it has: id decrypt")
    refused(one, 400, "one.vm.migrate", {"id": machine, "host": 1}, code=-501)
    refused(one, 400, "one.vm.migrate", {"id": machine, "host": 1, "type": 1}, text='"live" of one.vm.migrate is missing')


def test_limits(one):
    refused(one, 413, "one.vm.info", b"[" * 100000, code=-509, text="nested deeper than")
    refused(one, 413, "one.vmpool.infoset", b"[" + b"0," * 600000 + b"0]", code=-509, text="values")
    many = "{" + ",".join(f'"a{n}":0' for n in range(5000)) + "}"
    refused(one, 413, "one.vm.info", many.encode(), code=-509, text="more than 100 members")
    too_large = b'["' + b"x" * (64 << 20) + b'"]'
    try:
        status, _, answer = one.http(too_large, {"Content-Type": "application/json"}, path="/api/one.vm.info")
    except (ConnectionError, http.client.HTTPException):
        return  # cut off before it was sent
    assert status == 413 and json.loads(answer)["error"]["code"] == -509


def test_only_what_a_page_cannot_send(one, machine):
    """A page in somebody's browser may send plain types to this computer unasked; JSON it may not."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "text/xml"):
        refused(one, 415, "one.vm.info", [machine], headers={"Content-Type": kind}, text="application/json")
    for verb in ("GET", "PUT", "DELETE", "OPTIONS"):
        heads = refused(one, 405, "one.vm.info", None, verb=verb)
        assert heads["allow"] == "POST"
    done(one, "one.vm.info", [machine], headers={"Content-Type": "application/json; charset=utf-8"})


def test_check_of_a_migration_waits_here_too(one):
    identity = one.running(0)
    check = done(one, "globule.vm.migratecheck", {"id": identity, "host": 1})["MIGRATION_CHECK"]
    assert check["POSSIBLE"] == "YES" and {row["RESULT"] for row in check["CHECK"]} == {"ok"}
    one.control("HOST h2 down=1")
    refused(one, 409, "globule.vm.migratecheck", [identity, 1, ""], code=ACTION, text="h2 does not answer")
    one.control()
    assert done(one, "globule.vm.migrate", {"id": identity, "host": 1, "text": "LIVE=YES"}) == {"result": identity}
    one.until(lambda: done(one, "globule.vm.migrations", [identity])["MIGRATION_POOL"]["MIGRATION"][0]["RESULT"] == "success",
              "the migration")
    one.ok("one.vm.recover", identity, 3)
