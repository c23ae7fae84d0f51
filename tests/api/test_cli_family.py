"""The programs beside onevm, onehost and oneuser, against a real oned: each command once, what list and show print,
and what the likely mistakes are answered with."""
import base64
import json
import re
from pathlib import Path

import pytest
from api.test_cli import FAILED, NO_OBJECT, USAGE, Shell

WEB = """NAME = web
CPU = 0.1
MEMORY = 64
USER_INPUTS = [ SIZE = "M|list|How big|small,big|small", NOTE = "O|text|A note", COPIES = "M|range|How many|1..4|" ]
INPUTS_ORDER = "COPIES,SIZE"
"""


@pytest.fixture(scope="module")
def real(one, tmp_path_factory):
    return Shell(tmp_path_factory.mktemp("family") / "home", one.port, one.session)


def made(said):
    """The id in "ID: 7"."""
    return re.fullmatch(r"(?:VM )?ID: (\d+)\n", said).group(1)


def row(real, program, name, columns):
    return real.run(f"{program} list --csv --no-header -l {columns} -f NAME={name}").strip()


# ---- templates ----

def test_templates(real):
    (real.home / "web.one").write_text(WEB)
    identity = made(real.run("onetemplate create web.one"))
    assert re.fullmatch(r"  ID USER     GROUP    NAME {20}REGTIME\n"
                        rf" {{3}}{identity} oneadmin oneadmin web {{14}}\d\d/\d\d \d\d:\d\d:\d\d\n",
                        real.run("onetemplate list"))
    page = real.run("onetemplate show web")
    for piece in (f"TEMPLATE {identity} INFORMATION\n", "USER                : oneadmin\n", 'MEMORY="64"\n',
                  "OWNER               : um-\n", 'COPIES="M|range|How many|1..4|"'):
        assert piece in page, page
    copy = made(real.run("onetemplate clone web shop"))
    assert "already taken" in real.error("onetemplate clone web shop", FAILED)
    real.run("onetemplate rename shop store")
    real.run("onetemplate update store -a", text="NOTE=1\n")
    real.run("onetemplate chmod store 644")
    real.run("onetemplate chgrp store users")
    real.run("onetemplate chown store oneadmin users")
    real.run("onetemplate lock store --manage")
    page = real.run("onetemplate show store")
    for piece in ('NOTE="1"\n', "OTHER               : u--\n", "GROUP               : users\n",
                  "LOCK                : Manage\n"):
        assert piece in page, page
    real.run("onetemplate unlock store")
    real.run(f"onetemplate delete {copy}")
    assert real.error("onetemplate show store", NO_OBJECT).startswith("no template is called 'store'")
    assert "close: web" in real.error("onetemplate instantiate wbe", NO_OBJECT)
    assert json.loads(real.run("onetemplate show web -j"))["VMTEMPLATE"]["NAME"] == "web"


def test_machines_from_templates(real):
    made(real.run("onetemplate create --name plain --cpu 0.1 --memory 64m"))
    assert real.run("onetemplate create --dry --name x --memory 1g") == 'MEMORY="1024"\nNAME="x"\n'
    said = real.run("onetemplate instantiate plain --name p%i --multiple 2 --memory 32 --hold")
    assert len(re.findall(r"VM ID: \d+", said)) == 2
    assert row(real, "onevm", "p1", "NAME,STAT,MEM") == "p1,hold,32M"
    (real.home / "more.one").write_text("COLOUR = red\n")
    made(real.run("onetemplate instantiate plain more.one --name painted --hold"))
    assert 'COLOUR="red"' in real.run("onevm show painted")
    made(real.run("onetemplate instantiate plain --persistent --name own --hold"))
    assert row(real, "onetemplate", "own", "NAME") == "own"
    assert "--multiple" in real.error("onetemplate instantiate plain --multiple none", USAGE)
    real.run("onetemplate delete plain,own")
    for name in ("p0", "p1", "painted", "own"):
        real.run(f"onevm recover {name} --delete")


def test_what_a_template_asks_for(real):
    (real.home / "ask.one").write_text(WEB.replace("NAME = web", "NAME = ask"))
    made(real.run("onetemplate create ask.one"))
    for given, said in [("", "asks for COPIES (How many): give --user-inputs COPIES=... (a number in 1..4)"),
                        ("COPIES=9", 'COPIES="9": it must be a number in 1..4'),
                        ("COPIES=2.5", 'COPIES="2.5": it must be a number in 1..4'),
                        ("COPIES=2,SIZE=tiny", 'SIZE="tiny": it must be one of small,big'),
                        ("COPIES=2,COLOUR=red", "it asks for: COPIES, NOTE, SIZE"),
                        ("red", "write NAME=value")]:
        assert said in real.error(["onetemplate", "instantiate", "ask", "--user-inputs", given], USAGE)
    made(real.run(["onetemplate", "instantiate", "ask", "--name", "a1", "--hold", "--user-inputs", 'COPIES=3,NOTE=a,"b"']))
    page = real.run("onevm show a1")
    assert 'COPIES="3"\n' in page and 'SIZE="small"\n' in page and 'NOTE="a,\\"b\\""\n' in page, page
    seen = real.on_terminal("onetemplate instantiate ask --name a2 --hold", answers=["7", "4", "big", ""])
    assert "COPIES, How many (a number in 1..4): " in seen and "COPIES: it must be a number in 1..4." in seen, seen
    page = real.run("onevm show a2")
    assert 'COPIES="4"\n' in page and 'SIZE="big"\n' in page and "NOTE=\"\"" not in page, page
    real.run("onevm recover a1,a2 --delete")


# ---- networks and security groups ----

LAN = 'NAME = lan\nBRIDGE = br0\nVN_MAD = dummy\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 20 ]\n'


def test_networks(real):
    (real.home / "lan.net").write_text(LAN)
    identity = made(real.run("onevnet create lan.net"))
    assert real.run("onevnet list") == (
        "  ID USER     GROUP    NAME            CLUSTERS   BRIDGE   STATE  LEASES OUTD ERRO\n"
        f"   {identity} oneadmin oneadmin lan             0          br0      rdy         0    0    0\n")
    made(real.run("onevnet create lan.net --name other --cluster default"))
    for line in ("lock other", "unlock other", "chmod other 664", "chgrp other users", "chown other oneadmin users",
                 "rename other second"):
        real.run("onevnet " + line)
    real.run("onevnet update second -a", text="NOTE=1\n")
    page = real.run("onevnet show second")
    for piece in ("OTHER               : u--\n", 'NOTE="1"\n', "GROUP               : users\n", "LOCK                : None\n"):
        assert piece in page, page
    real.run("onevnet delete second")
    assert "which addresses?" in real.error("onevnet addar lan", USAGE)
    assert "NAME" in real.error("onevnet create", FAILED, text="BRIDGE = br0\n")


def test_addresses(real):
    if "lan" not in real.run("onevnet list --csv -l NAME"):
        real.run("onevnet create", text=LAN)
    real.run("onevnet addar lan --ip 10.1.0.5 --size 10")
    assert '--size "ten"' in real.error("onevnet addar lan --size ten", USAGE)
    real.run("onevnet updatear lan 1 --size 12")
    real.run("onevnet hold lan 10.0.0.7")
    for address, exit, said in [("10.0.0.700", USAGE, "is no address"), ("10.9.0.7", FAILED, "in none of the ranges"),
                                ("10.0.0.7", FAILED, "10.0.0.7")]:
        assert said in real.error(f"onevnet hold lan {address}", exit)
    made(real.run("onevnet reserve lan --size 4 --name mine"))
    real.run("onevnet reserve lan mine --size 2")
    assert "how many addresses" in real.error("onevnet reserve lan mine", USAGE)
    machine = made(real.run("onevm create --name netted --cpu 0.1 --memory 32 --nic lan --hold"))
    page = real.run("onevnet show lan")
    for piece in ("IP                  : 10.1.0.5 to 10.1.0.16\n", "  0 on hold        02:00:0a:00:00:07 10.0.0.7\n",
                  f"  0 machine {machine}", "USED LEASES         : 8\n"):
        assert piece in page, page
    assert page.count(" AR OWNER ") == 1
    assert "PARENT NETWORK      : " in real.run("onevnet show mine")
    real.run("onevnet release lan 10.0.0.7")
    real.run("onevnet free mine 1")
    real.run("onevnet rmar lan 1")
    assert "in use" in real.error("onevnet rmar lan 0", FAILED)
    assert "leases in use" in real.error("onevnet delete lan", FAILED)
    real.run("onevm recover netted --delete")
    real.run("onevnet delete mine")
    real.run("onevnet delete lan")
    assert "no network is called 'lan'" in real.error("onevnet show lan", NO_OBJECT)


def test_security_groups(real):
    made(real.run("onesecgroup create", text='NAME = sg\nRULE = [ PROTOCOL = TCP, RULE_TYPE = inbound, RANGE = "22,80" ]\n'
                                             'RULE = [ PROTOCOL = ICMP, RULE_TYPE = inbound, ICMP_TYPE = 8 ]\n'))
    assert real.run("onesecgroup list -f NAME=sg").splitlines()[0] == (
        "  ID USER     GROUP    NAME             UPDATED OUTDATED    ERROR")
    page = real.run("onesecgroup show sg")
    assert "TYPE     PROTOCOL ICMP_TYPE NETWORK                        RANGE\n" in page and "22,80" in page, page
    assert "LOCK" not in page  # it has none
    made(real.run("onesecgroup clone sg sg2"))
    for line in ("commit sg", "commit sg --recover", "rename sg2 sg3", "chmod sg3 600", "chgrp sg3 users",
                 "chown sg3 oneadmin"):
        real.run("onesecgroup " + line)
    real.run("onesecgroup update sg3 -a", text="NOTE=1\n")
    assert 'NOTE="1"' in real.run("onesecgroup show sg3")
    real.run("onesecgroup delete sg,sg3")
    assert "what shall it be?" in real.on_terminal("onesecgroup create", exit=USAGE)


def test_vm_groups(real):
    made(real.run("onevmgroup create", text="NAME = shop\nROLE = [ NAME = front, POLICY = ANTI_AFFINED ]\nROLE = [ NAME = back ]\n"))
    made(real.run("onevm create --name member --cpu 0.01 --memory 16 --hold"))
    real.run("onevm vmgroup-add member shop front")
    assert real.run("onevmgroup list -f NAME=shop").splitlines() == [
        "  ID USER     GROUP    NAME            VMS  ROLES", "   0 oneadmin oneadmin shop            1    front, back"]
    page = real.run("onevmgroup show shop")
    assert "VM GROUP 0 INFORMATION" in page and "ANTI_AFFINED" in page and "LOCK" in page, page
    real.run("onevmgroup role-add shop", text="ROLE = [ NAME = db ]\n")
    real.run("onevmgroup role-update shop 2", text="ROLE = [ POLICY = AFFINED ]\n")
    assert "front, back, db" in real.run("onevmgroup list")
    assert "it has 1 machines" in real.error("onevmgroup role-delete shop 0", FAILED)
    real.run("onevm vmgroup-del member")
    for line in ("role-delete shop 0", "rename shop mall", "chmod mall 600", "chgrp mall users", "chown mall oneadmin",
                 "lock mall", "unlock mall"):
        real.run("onevmgroup " + line)
    real.run("onevmgroup update mall -a", text="NOTE=1\n")
    assert 'NOTE="1"' in real.run("onevmgroup show mall")
    real.run("onevm terminate --hard member")
    real.run("onevmgroup delete mall")


def test_hooks(real, one):
    for name, text in (("tell", "#!/bin/sh\nprintf 'got %s\\033[1m' \"$1\"\n"), ("fail", "#!/bin/sh\necho no >&2; exit 7\n")):
        path = one.var / "remotes" / "hooks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    made(real.run("onehook create", text="NAME = tell\nTYPE = state\nRESOURCE = VM\nON = CUSTOM\nSTATE = HOLD\nCOMMAND = tell\nARGUMENTS = $ID\n"))
    made(real.run("onehook create", text="NAME = failing\nTYPE = api\nCALL = one.vm.allocate\nCOMMAND = fail\n"))
    assert real.run("onehook list --sort ID").splitlines() == [
        "  ID NAME                      TYPE", "   0 tell                      state", "   1 failing                   api"]
    made(real.run("onevm create --name hooked --cpu 0.01 --memory 16 --hold"))
    one.until(lambda: str(real.run("onehook log")).count("SUCCESS") == str(real.run("onehook log")).count("ERROR") == 1, "both hooks to end")
    page = real.run("onehook show tell")
    assert "HOOK 0 INFORMATION" in page and 'STATE="HOLD"' in page and re.search(r"^ +0 .* 0 SUCCESS$", page, re.M), page
    page = real.run("onehook show tell --execution 0")
    assert re.search(r"EXECUTION STDOUT\ngot \d+\?\[1m\n", page) and "RETURN CODE         : 0\n" in page, page
    assert "no record of execution \"9\"" in real.error("onehook show tell -e 9", NO_OBJECT)
    page = real.run("onehook show failing -e 0")
    assert "EXECUTION STDERR\nno\n" in page and "RETURN CODE         : 7\n" in page, page
    assert [line.split()[0] for line in real.run("onehook log --error").splitlines()[1:]] == ["1"]
    assert [line.split()[0] for line in real.run("onehook log --success").splitlines()[1:]] == ["0"]
    assert [line.split()[0] for line in real.run("onehook log --hook-id 1 --since 01/31/20 --until 2037-01-01T00:00:00Z").splitlines()[1:]] == ["1"]
    assert len(real.run(["onehook", "log", "--since", "01/31/37 14:05"]).splitlines()) == 1
    assert "is no date" in real.error("onehook log --since tomorrow", USAGE)
    assert "<HOOKLOG>" in real.run("onehook log -x")
    real.run("onehook retry failing 0")
    one.until(lambda: "RETRY" in str(real.run("onehook show failing -e 1")), "the hook to run again")
    assert "there is no record of it" in real.error("onehook retry failing 55", NO_OBJECT)
    for line in ("rename failing other", "lock other", "unlock other"):
        real.run("onehook " + line)
    real.run("onehook update other -a", text="NOTE=1\n")
    assert 'NOTE="1"' in real.run("onehook show other")
    real.run("onehook delete other,tell")
    real.run("onevm terminate --hard hooked")


# ---- groups, rules, clusters, datastores, virtual data centers ----

def test_groups(real):
    identity = made(real.run("onegroup create staff"))
    assert f"@{identity} VM+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VROUTER+VMGROUP+BACKUPJOB/* CREATE *" in str(real.run("oneacl list -l RULE"))
    few = made(real.run("onegroup create --name few --resources TEMPLATE+VM"))
    assert f"@{few} VM+TEMPLATE/* CREATE *" in real.run("oneacl list -l RULE")
    none = made(real.run(["onegroup", "create", "none", "--resources", ""]))
    assert not [rule for rule in real.run("oneacl list -l RULE").splitlines() if rule.startswith(f"@{none} ") and "CREATE" in rule]
    assert "what shall the group be called?" in real.error("onegroup create", USAGE)
    assert '"VM+MICE": each kind' in real.error("onegroup create mice --resources VM+MICE", USAGE)
    assert "mice" not in real.run("onegroup list")
    real.run("onegroup vlan few", text="RULE = [ ID = 7, SCOPE = 100, VNTEMPLATE = 3 ]\n")
    real.environment["EDITOR"] = "sed -i s/100/200/"
    real.on_terminal("onegroup vlan few")
    del real.environment["EDITOR"]
    rules = real.run("onegroup show few -x").split("VLAN_RULES")[1]
    assert "200" in rules and "100" not in rules and rules.count("RULE>") == 2
    real.run("onegroup delete few,none")
    real.run("oneuser create joan Word-1.a --group staff")
    real.run("onegroup addadmin staff joan")
    assert "not part of" in real.error("onegroup addadmin staff oneadmin", FAILED)
    assert row(real, "onegroup", "staff", "ID,USERS") == f"{identity},1"
    assert re.search(r"\nUSERS {15}: (\d+) \(joan\)\nADMINISTRATORS {6}: \1 \(joan\)\n", real.run("onegroup show staff"))
    assert "NAME                : oneadmin\n" in real.run("onegroup show")
    real.run("onegroup deladmin staff joan")
    real.run("onegroup update staff -a", text="A=1\n")
    assert 'A="1"' in real.run("onegroup show staff")
    assert "not empty" in real.error("onegroup delete staff", FAILED)
    real.run("oneuser delete joan")
    real.run("onegroup delete staff")
    assert real.run("onegroup list").splitlines()[0] == (
        "  ID NAME            USERS       VMS          MEMORY         CPU       PCI")


def test_rules(real):
    identity = made(real.run(["oneacl", "create", "#0 VM+IMAGE/* USE+MANAGE *"]))
    assert real.run("oneacl list").splitlines()[0] == "  ID     USER RES_VHNIUTGDCOZSvRMAPtB   RID OPE_UMAC  ZONE"
    assert real.run(f"oneacl list --no-header -f ID={identity}") == (
        f"{identity:>4}       #0     V--I---------------     *     um--     *\n")
    assert "already exists" in real.error(["oneacl", "create", "#0", "image+vm/*", "manage+use"], FAILED)
    other = made(real.run("oneacl create @1 HOST/%0 manage #0"))
    third = made(real.run("oneacl create 200000001 2400000000 3"))
    known = real.run("oneacl list --csv --no-header -l ID,RULE").splitlines()
    assert f"{other},@1 HOST/%0 MANAGE #0" in known and f"{third},@1 HOST/* USE+MANAGE *" in known, known
    for rule, said in [("2 VM/* USE", "who: #ID"), ("#2 VMS/* USE", "must be one of VM, HOST"), ("#2 VM USE", "such as VM/*"),
                       ("#2 VM/7 USE", "behind the slash"), ("#2 VM/* USED", "rights are USE, MANAGE"),
                       ("#2 VM/*", "three or four words"), ("* VM/* USE zone", "the zone is")]:
        assert said in real.error(["oneacl", "create", rule], USAGE)
    assert "User 99 does not exist" in real.error(["oneacl", "create", "#99 VM/* USE"], FAILED)
    real.run(f"oneacl delete {identity},{other},{third}")
    real.error(f"oneacl delete {identity}", NO_OBJECT)


def test_clusters(real):
    made(real.run("onecluster create rack"))
    assert "already taken" in real.error("onecluster create rack", FAILED)
    made(real.run("onevnet create", text=LAN.replace("lan", "plain")))
    real.error("onecluster addvnet rack nothing", NO_OBJECT)
    for line in ("addhost rack h1", "addvnet rack plain", "adddatastore rack system"):
        real.run("onecluster " + line)
    assert row(real, "onecluster", "rack", "HOSTS,VNETS,DATASTORES") == "1,1,1"
    page = real.run("onecluster show rack")
    assert "HOSTS               : 0 (h1)\n" in page and "DATASTORES          : 0 (system)\n" in page, page
    assert "not empty" in real.error("onecluster delete rack", FAILED)
    for line in ("delhost rack h1", "delvnet rack plain", "deldatastore rack system", "rename rack row"):
        real.run("onecluster " + line)
    real.run("onecluster update row -a", text="NOTE=1\n")
    assert 'NOTE="1"' in real.run("onecluster show row")
    real.run("onecluster delete row")
    real.run("onevnet delete plain")
    assert real.run("onecluster list").splitlines()[0] == "  ID NAME                 HOSTS      VNETS DATASTORES"


def test_datastores(real):
    made(real.run("onedatastore create", text="NAME=fast\nTYPE=SYSTEM_DS\nTM_MAD=shared\n"))
    assert real.run("onedatastore list").splitlines()[0] == (
        "  ID NAME         SIZE AVA CLUSTERS IMAGES TYPE DS      TM      STAT")
    assert row(real, "onedatastore", "default", "TYPE,IMAGES") == "img,0"
    real.run("onedatastore disable fast")
    assert row(real, "onedatastore", "fast", "TYPE,TM,STAT") == "sys,shared,off"
    assert "No TM_MAD" in real.error("onedatastore create --name x", FAILED)
    for line in ("enable fast", "chmod fast 640", "chgrp fast users", "chown fast oneadmin", "rename fast quick"):
        real.run("onedatastore " + line)
    real.run("onedatastore update quick -a", text="NOTE=1\n")
    page = real.run("onedatastore show quick")
    for piece in ("STATE               : READY\n", "CLUSTERS            : 0 (default)\n", 'NOTE="1"\n'):
        assert piece in page, page
    real.run("onedatastore delete quick")


def test_virtual_data_centers(real):
    identity = made(real.run("onevdc create --name physics"))
    network = made(real.run("onevnet create", text=LAN.replace("lan", "campus")))
    for line in ("addvnet physics 0 campus", "addgroup physics users", "addcluster physics 0 default", "addhost physics 0 ALL",
                 "adddatastore physics OpenNebula system"):
        real.run("onevdc " + line)
    assert "no host is called 'h9'" in real.error("onevdc addhost physics 0 h9", NO_OBJECT)
    assert "<host> is missing" in real.error("onevdc addhost physics h1", USAGE)
    assert real.run("onevdc list -f NAME=physics") == (
        "  ID NAME              GROUPS   CLUSTERS      HOSTS      VNETS DATASTORES\n"
        f"{identity:>4} physics                1          1        ALL          1          1\n")
    page = real.run("onevdc show physics")
    assert "GROUPS              : 1 (users)\n" in page and "HOSTS               : ALL\n" in page, page
    assert f"VNETS               : {network}\n" in page, page
    for line in ("delvnet physics 0 campus", "delhost physics 0 ALL", "delcluster physics 0 0", "deldatastore physics 0 system",
                 "delgroup physics users", "rename physics chemistry"):
        real.run("onevdc " + line)
    real.run("onevdc update chemistry -a", text="NOTE=1\n")
    assert 'NOTE="1"' in real.run("onevdc show chemistry")
    real.run("onevdc delete chemistry")
    real.run("onevnet delete campus")


def test_templates_of_networks(real):
    made(real.run("onevntemplate create", text="NAME = lans\nVN_MAD = dummy\nAR = [ TYPE = IP4, IP = 10.8.0.1, SIZE = 4 ]\n"))
    assert real.run("onevntemplate list -f NAME=lans").splitlines()[0].split() == ["ID", "USER", "GROUP", "NAME", "REGTIME"]
    first = real.run("onevntemplate instantiate lans --name lan1")
    assert first.startswith("VN ID: ")
    number = int(first.split()[-1])
    assert "already taken" in real.error("onevntemplate instantiate lans --name lan1", FAILED)
    assert "TEMPLATE CONTENTS" in real.run("onevntemplate show lans")
    for line in ("rename lans lans2", "chmod lans2 604", "lock lans2", "unlock lans2", "clone lans2 lans3", "delete lans2,lans3"):
        real.run("onevntemplate " + line)
    assert "lan1" in real.run(f"onevnet show {number}")
    assert "READY" in real.error("onevnet recover lan1 --success", FAILED)
    # A network that a template names, by number or by name, is no orphan.
    assert str(number) in real.run("onevnet orphans").split()
    for card in (f"NETWORK_ID = {number}", "NETWORK = lan1"):
        made(real.run("onetemplate create", text=f"NAME = uses\nCPU = 1\nMEMORY = 64\nNIC = [ {card} ]\n"))
        assert str(number) not in real.run("onevnet orphans").split()
        real.run("onetemplate delete uses")
    real.run("onevnet recover lan1 --delete")
    assert str(number) not in real.run("onevnet orphans").split()


# ---- images ----

def test_images(real, one):
    """From making one to its removal, by the commands of oneimage."""
    one.until(lambda: int(one.xml("one.datastore.info", 1).findtext("TOTAL_MB")) > 0, "the datastore to be measured")
    identity = made(real.run("oneimage create -d default --name web --type DATABLOCK --size 1g --prefix vd --description web "
                             "--driver raw --no_check_capacity --wait"))
    assert real.run("oneimage list") == (
        "  ID USER     GROUP    NAME            DATASTORE     SIZE TYPE PER STAT RVMS\n"
        f"{identity:>4} oneadmin oneadmin web             default         1G   DB  No rdy     0\n")
    page = real.run("oneimage show web")
    for line in ("IMAGE 0 INFORMATION", "TYPE                : DATABLOCK", "PERSISTENT          : No", "SIZE                : 1G",
                 "STATE               : rdy", 'DEV_PREFIX="vd"', 'DESCRIPTION="web"'):
        assert line in page, page
    copy = made(real.run("oneimage clone web web2 --wait"))
    real.run("oneimage persistent web,web2")
    assert row(real, "oneimage", "web2", "ID,PER,STAT") == f"{copy},Yes,rdy"
    for line in ("nonpersistent web", "chtype web OS", "disable web", "enable web", "rename web web1", "chmod web1 640", "chgrp web1 users",
                 "chown web1 oneadmin", "lock web1 --use", "unlock web1"):
        real.run("oneimage " + line)
    real.run("oneimage update web1 -a", text="NOTE=1\n")
    assert 'NOTE="1"' in real.run("oneimage show web1") and row(real, "oneimage", "web1", "TYPE,GROUP") == "OS,users"
    assert set(real.run("oneimage orphans").split()) == {identity, copy}
    for command in ("delete", "revert", "flatten"):
        assert "has no snapshot 3" in real.error(f"oneimage snapshot-{command} web1 3", FAILED)
    assert "Can only restore from backup images" in real.error("oneimage restore web1 -d default", FAILED)
    assert "NAME is already taken" in real.error("oneimage create -d default --name web2 --size 1", FAILED)
    assert "in which datastore?" in real.error("oneimage create --name x --size 1", USAGE)
    assert '--size "much"' in real.error("oneimage create -d default --name x --size much", USAGE)
    dry = real.run("oneimage create --name x --path some/file --dry")
    assert 'NAME="x"' in dry and 'PATH="/' in dry and "/some/file" in dry
    made(real.run("onetemplate create", text="NAME=both\nCPU=0.1\nMEMORY=64\nDISK=[IMAGE=web1]\nDISK=[TYPE=swap, SIZE=1]\n"))
    made(real.run("onetemplate clone both plain"))
    made(real.run("onetemplate clone both whole --recursive"))
    real.run("oneimage wait whole-disk-0 READY")
    real.run("onetemplate chmod whole 604")
    assert "OTHER               : ---\n" in real.run("oneimage show whole-disk-0")
    real.run("onetemplate chmod whole 604 --recursive")
    assert "OTHER               : u--\n" in real.run("oneimage show whole-disk-0")
    real.run("onetemplate delete whole --recursive")
    one.until(lambda: row(real, "oneimage", "whole-disk-0", "ID") == "", "the image of the template to be gone")
    real.run("onetemplate delete both,plain")
    real.run("oneimage delete web1,web2")
    one.until(lambda: real.run("oneimage list --csv --no-header -l ID").strip() == "", "the images to be gone")


def test_save(real, one):
    """A machine that is off becomes a template, and its disk an image."""
    store = int(made(real.run("onedatastore create", text="NAME = kept\nDS_MAD = dummy\nTM_MAD = dummy\n")))
    one.until(lambda: int(one.xml("one.datastore.info", store).findtext("TOTAL_MB")) > 0, "the datastore to be measured")
    made(real.run("oneimage create -d kept --name root --type DATABLOCK --size 1 --wait"))
    made(real.run("onetemplate create", text="NAME = small\nCPU = 0.1\nMEMORY = 32\nNOTE = mine\nDISK = [ IMAGE = root, CACHE = none ]\nDISK = [ TYPE = fs, SIZE = 3 ]\n"))
    machine = made(real.run("onetemplate instantiate small --name grown --memory 48 --hold"))
    assert "grown must be off to be saved" in real.error("onevm save grown other", FAILED)
    real.run("onevm deploy grown h1 --wait")
    real.run("onevm poweroff grown --wait")
    template = re.fullmatch(r"Template ID: (\d+)\n", real.run("onevm save grown other --persistent")).group(1)
    text = one.xml("one.template.info", int(template)).find("TEMPLATE")
    assert [text.findtext(name) for name in ("MEMORY", "NOTE", "SAVED_TEMPLATE_ID")][:2] == ["48", "mine"]
    image, volatile = text.findall("DISK")
    assert row(real, "oneimage", "other-disk-0", "ID,PER,DATASTORE") == f"{image.findtext('IMAGE_ID')},Yes,kept"
    assert {child.tag: child.text for child in image} == {"IMAGE_ID": image.findtext("IMAGE_ID"), "CACHE": "none"}
    assert volatile.findtext("SIZE") == "3" and volatile.find("DISK_ID") is None
    # What fails in the middle leaves nothing: a name of an image is taken.
    made(real.run("oneimage create -d kept --name third-disk-0 --type DATABLOCK --size 1 --wait"))
    assert "already taken" in real.error("onevm save grown third", FAILED)
    assert "third" not in real.run("onetemplate list") and one.state(int(machine)) == "POWEROFF"
    plain = one.allocate(name="plain-one")
    assert "made from no template" in real.error(f"onevm save {plain} x", FAILED)
    assert "No ports of hosts lead to machines" in real.error("onevm port-forward grown", FAILED)
    real.run(f"onevm terminate --hard grown,{plain} --wait")
    real.run("onetemplate delete other --recursive")
    real.run("onetemplate delete small")
    assert "nothing to copy" in real.error("onezone serversync south", FAILED)


def test_save_that_fails(real, one):
    """A disk that was not copied is no template: neither that nor its image stays."""
    store = int(made(real.run("onedatastore create", text="NAME = torn\nDS_MAD = dummy\nTM_MAD = dummy\n")))
    one.until(lambda: int(one.xml("one.datastore.info", store).findtext("TOTAL_MB")) > 0, "the datastore to be measured")
    made(real.run("oneimage create -d torn --name torn-root --type DATABLOCK --size 1 --wait"))
    made(real.run("onetemplate create", text="NAME = torn\nCPU = 0.1\nMEMORY = 32\nDISK = [ IMAGE = torn-root ]\n"))
    made(real.run("onetemplate instantiate torn --name whole-one --hold"))
    real.run("onevm deploy whole-one h1 --wait")
    real.run("onevm poweroff whole-one --wait")
    one.control("TRANSFER * fail=1")
    assert "disk 0 could not be saved" in real.error("onevm save whole-one halved", FAILED)
    one.control()
    assert "halved" not in real.run("onetemplate list")
    one.until(lambda: "halved" not in real.run("oneimage list"), "the image of what failed to be gone")
    assert real.run("onevm save whole-one halved").startswith("Template ID: ")
    real.run("onevm terminate --hard whole-one --wait")
    real.run("onetemplate delete halved --recursive")
    real.run("onetemplate delete torn")


def test_save_of_an_ordinary_user(real, one, tmp_path):
    """What the network gave a card stands in no template: it may not be written by everybody, and is given again."""
    net = made(real.run("onevnet create", text='NAME = lent\nVN_MAD = dummy\nBRIDGE = br0\nINBOUND_AVG_BW = 100\nFILTER_IP_SPOOFING = YES\nDNS = 10.0.9.9\n'
                        "AR = [ TYPE = IP4, IP = 10.0.9.1, SIZE = 10, OUTBOUND_AVG_BW = 50, GATEWAY = 10.0.9.254 ]\n"))
    real.run("onevnet chmod lent 604")
    user = one.user("saver")
    his = Shell(tmp_path / "saver", one.port, "saver:pw")
    made(his.run("onetemplate create", text="NAME = modest\nCPU = 0.1\nMEMORY = 32\n"
                 "NIC = [ NETWORK = lent, NETWORK_UNAME = oneadmin, DNS = 10.0.9.8, MODEL = virtio ]\n"))
    machine = int(made(his.run("onetemplate instantiate modest --name modest-one --hold")))
    card = one.vm(machine).find("TEMPLATE/NIC")
    given = ("INBOUND_AVG_BW", "OUTBOUND_AVG_BW", "FILTER_IP_SPOOFING", "GATEWAY", "DNS")
    assert [card.findtext(name) for name in given] == ["100", "50", "YES", "10.0.9.254", "10.0.9.8"]
    real.run("onevm deploy modest-one h1 --wait")
    real.run("onevm poweroff modest-one --wait")
    template = re.fullmatch(r"Template ID: (\d+)\n", his.run("onevm save modest-one saved-one")).group(1)
    saved = user.xml("one.template.info", int(template)).find("TEMPLATE/NIC")
    assert {child.tag: child.text for child in saved} == {"NETWORK_ID": net, "DNS": "10.0.9.8", "MODEL": "virtio", "NAME": "NIC0"}
    again = one.vm(int(made(his.run("onetemplate instantiate saved-one --name again-one --hold")))).find("TEMPLATE/NIC")
    assert [again.findtext(name) for name in given] == [card.findtext(name) for name in given]
    real.run("onevm terminate --hard modest-one,again-one --wait")
    real.run("onetemplate delete modest,saved-one")
    real.run("onevnet delete lent")
    real.run("oneuser delete saver")


def test_tokens(real):
    """Files with one token each, for ONE_AUTH."""
    for group in ("", " --group oneadmin"):
        real.run("oneuser login --force --time 600" + group, ONE_AUTH=str(real.home / "auth"))
    (real.home / ".one" / "one_auth").unlink()
    page = real.run("oneuser show")
    everywhere, users = (re.search(rf"\n +{egid} .* ([0-9a-f]{{40,}}) *\n", page).group(1) for egid in ("-1", "0"))
    said = real.run("oneuser token-set --group oneadmin")
    path = re.fullmatch(r"export ONE_AUTH='(.*)'; export ONE_EGID=0\n", said).group(1)
    assert Path(path).read_text() == f"oneadmin:{users}" and Path(path).stat().st_mode & 0o777 == 0o600
    assert real.run("oneuser show", ONE_AUTH=path)
    assert real.run("oneuser token-set --global").endswith("ONE_EGID=-1\n") and everywhere
    assert f"{users}" in Path(real.run(f"oneuser token-set --token {users[:12]}").split("'")[1]).read_text()
    assert "which token?" in real.error("oneuser token-set", USAGE)
    assert "no valid token for that group" in real.error("oneuser token-set --group users", NO_OBJECT)
    assert 'begins with "zzz"' in real.error("oneuser token-delete zzz", NO_OBJECT)
    for words in (["token-delete", ""], ["token-delete", "oneadmin", ""], ["token-set", "--token", ""]):
        assert 'which token? "" is none' in real.error(["oneuser", *words], USAGE)
    assert users in real.run("oneuser show")
    assert real.run(f"oneuser token-delete {users[:12]}") == f"{path} is removed\n"
    left = re.search(r"\n +-1 .* ([0-9a-f]{40,}) *\n", real.run("oneuser show")).group(1)
    real.error(["oneuser", "token-delete", ""], USAGE)  # nor when it is the only one
    assert left in real.run("oneuser show")
    assert users not in real.run("oneuser show")
    real.run("oneuser token-delete-all oneadmin")
    assert "cannot be searched for" in real.error("oneuser passwdsearch ssh word", FAILED)


def test_mistakes(real, one):
    """What people get wrong is told with its value and what to do, once, and nothing is done."""
    made(real.run("onevm create --name careful --cpu 0.01 --memory 16MB --hold"))
    real.run("onevm update careful", text="NOTE = kept\n")
    (real.home / "broken").write_text("CPU = [")
    (real.home / "nokey").write_text("words\n")
    for line, exit, why in (
            ("onezone set 77", NO_OBJECT, "`onezone list` shows"), ("onevrouter instantiate 77 0", NO_OBJECT, "`onevrouter list` shows"),
            ("onevm deploy careful 77", NO_OBJECT, "`onehost list` shows"), ("onevm chgrp 77 1", NO_OBJECT, "`onevm list` shows"),
            ("onevm show 3..", USAGE, "range 3.. has no end"), ("onevm create --disk= --name x", USAGE, '--disk "" names nothing'),
            ("onevm create broken --name x", FAILED, "the template cannot be read: syntax error"),
            ("onevm create", USAGE, "what shall it be?"), ("onevnet create", USAGE, "what shall it be?"),
            ("onevm update careful", USAGE, "nothing on standard input"), ("onehost update h1", USAGE, "nothing on standard input"),
            ("onevm recover careful --success --failure", USAGE, "--failure and --success: only one of them"),
            ("onevm lock careful --use --admin", USAGE, "--use and --admin: only one of them"),
            ("onevm chmod careful u=q", USAGE, "or u=rw,g=r"), ("onevm list --csv --csv-del=", USAGE, '--csv-del "" separates nothing'),
            ("oneuser key --key nokey", USAGE, "--key nokey: the file holds no private key"),
            ("oneuser key --x509 --cert nokey", USAGE, "--cert nokey: there must be"),
            ("oneuser key --key missing", USAGE, "missing")):
        said = real.error(line, exit)
        assert why in said and len(set(said.splitlines())) == len(said.splitlines()), (line, said)
    assert 'NOTE="kept"' in real.run("onevm show careful")
    real.run("onevm chmod careful u=rw,g=r")
    assert "OWNER               : um-\nGROUP               : u--\nOTHER               : ---\n" in real.run("onevm show careful")
    real.run("onevm terminate --hard careful")


def test_quotas(real):
    """Limits from a file, from standard input and in the editor; what list and show make of them."""
    made(real.run("onegroup create limited --admin_user chief --admin_password Word-2.b"))
    assert re.search(r"\nADMINISTRATORS {6}: \d+ \(chief\)\n", real.run("onegroup show limited"))
    real.run("oneuser create lim Word-3.c --group limited")
    real.run("oneuser quota lim", text="VM = [ VMS = 3, MEMORY = 2048 ]\n")
    assert row(real, "oneuser", "lim", "VMS,MEMORY,CPU,PCI").split() == "0 / 3, 0M / 2G, 0.0 / -, 0 / -".split()
    (real.home / "limits").write_text("VM = [ CPU = 1.5 ]\nDATASTORE = [ ID = 1, SIZE = 100 ]\n")
    real.run("oneuser batchquota lim,chief limits")
    page = real.run("oneuser show lim")
    assert re.search(r"VMS USAGE & QUOTAS\n+CLUSTERS .*VMS .*DISK SIZE *\n +0 / +3 +0M / +2G +0\.0 / 1\.5 ", page), page
    assert re.search(r"DATASTORE USAGE & QUOTAS\n+ *ID +IMAGES +SIZE *\n +1 +0 / +- +0M / +100M", page), page
    assert "0 /   3" not in real.run("oneuser show chief") and "1.5" in real.run("oneuser show chief")
    real.run("onegroup quota limited", text="VM = [ VMS = 4 ]")
    assert row(real, "onegroup", "limited", "VMS").split() == ["0", "/", "4"]
    assert row(real, "oneuser", "oneadmin", "VMS") == "-"
    real.run("oneuser defaultquota", text="VM = [ RUNNING_VMS = 9, PCI_DEV = 7 ]")
    assert row(real, "oneuser", "lim", "PCI").split() == ["0", "/", "7"], "the default limit"
    real.run("oneuser defaultquota", text="VM = [ RUNNING_VMS = -1, PCI_DEV = -1 ]")
    assert "must be a number" in real.error("oneuser quota lim", FAILED, text="VM = [ VMS = many ]")
    assert "oneadmin" in real.error("oneuser batchquota 0,lim limits", FAILED)
    real.run("oneuser delete lim,chief")
    real.run("onegroup delete limited")


def test_markets(one, real):
    market = made(real.run("onemarket create", text="NAME = ours\nMARKET_MAD = dummy\n"))
    assert row(real, "onemarket", "ours", "ID,MAD,APPS,STAT") == f"{market},dummy,0,on"
    made(real.run("oneimage create -d default --name origin --source there --size 1"))
    app = made(real.run("onemarketapp create -m ours --image origin --name web --description shared --wait"))
    assert row(real, "onemarketapp", "web", "ID,NAME,STAT,TYPE,MARKET") == f"{app},web,rdy,img,ours"
    page = real.run("onemarketapp show web")
    for piece in (f"MARKETPLACE APP {app} INFORMATION\n", "DESCRIPTION         : shared\n", "MARKETPLACE         : ours\n"):
        assert piece in page, page
    assert "web" in real.run("onemarket show ours")
    real.run("onemarketapp update web -a", text=f"VMTEMPLATE64 = \"{base64.b64encode(b'CPU=1').decode()}\"\n")
    assert "into which datastore?" in real.error("onemarketapp export web copy", USAGE)
    assert "into which marketplace?" in real.error("onemarketapp create --image origin --name x", USAGE)
    store = int(made(real.run("onedatastore create", text="NAME = simulated\nDS_MAD = dummy\nTM_MAD = dummy\n")))
    one.until(lambda: int(one.xml("one.datastore.info", store).findtext("TOTAL_MB")) > 0, "the datastore to be measured")
    said = real.run("onemarketapp export web copy -d simulated --vmname copies")
    image, template = re.fullmatch(r"IMAGE\n    ID: (\d+)\nVMTEMPLATE\n    ID: (\d+)\n", said).groups()
    assert row(real, "oneimage", "copy", "ID") == image
    assert f'IMAGE_ID="{image}"' in real.run(f"onetemplate show {template}")
    kept = base64.b64encode(b"MEMORY=64").decode()
    made(real.run("onemarketapp create -m ours", text=f'NAME = tmpl\nTYPE = VMTEMPLATE\nAPPTEMPLATE64 = "{kept}"\n'))
    said = real.run("onemarketapp export tmpl machines")
    assert re.fullmatch(r"VMTEMPLATE\n    ID: \d+\n", said) and 'MEMORY="64"' in real.run("onetemplate show machines")
    for line in ("disable web", "enable web", "rename web shop", "chmod shop 640", "chgrp shop users", "chown shop oneadmin", "lock shop",
                 "unlock shop", "wait shop", "delete shop,tmpl"):
        real.run("onemarketapp " + line)
    for line in ("disable ours", "enable ours", "rename ours theirs", "chmod theirs 600", "chgrp theirs users", "chown theirs oneadmin"):
        real.run("onemarket " + line)
    real.run("onemarket update theirs -a", text="NOTE=1\n")
    assert 'NOTE="1"' in real.run("onemarket show theirs")
    real.run("oneimage delete origin")
