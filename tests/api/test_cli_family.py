"""The programs beside onevm, onehost and oneuser, against a real oned: each command once, what list and show print,
and what the likely mistakes are answered with."""
import json
import re

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
    assert re.fullmatch(r"  ID USER     GROUP    NAME {23}REGTIME\n"
                        rf" {{3}}{identity} oneadmin oneadmin web {{17}}\d\d/\d\d \d\d:\d\d:\d\d\n",
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
