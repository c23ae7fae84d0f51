"""Rules that a reader of the code may rely on: the floors, the sizes, the format, the linters."""
import hashlib
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import pytest
from conftest import ROOT, run

ROOMS = ["lib", "server", "drivers", "scheduler", "client", "tests"]


@lru_cache(maxsize=None)
def tracked():
    """Files of the project: what git knows or would add, or all of it where there is no git."""
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"])
    if listed.returncode == 0:
        names = listed.stdout.split("\n")[:-1]
        return [ROOT / name for name in names if (ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file()
            and not path.relative_to(ROOT).parts[0].startswith(("build", ".git", ".demo"))]


def files(room, *endings):
    return sorted(path for path in tracked() if path.suffix in endings and path.relative_to(ROOT).parts[0] == room)


def c_files():
    return [path for room in ROOMS for path in files(room, ".c", ".h")]


def first_line(path):
    with path.open("rb") as text:
        return text.readline(200).decode(errors="replace")


def shell_scripts():
    return sorted(path for path in tracked() if re.match(r"#!\s*\S*/(env )?(bash|sh|busybox sh)\b", first_line(path)))


def name(path):
    return str(path.relative_to(ROOT))


# ---- the floors: includes point one way ----

FLOORS = {
    "lib": 0, "server/store": 1, "server/core": 2, "server/model": 3, "server/auth": 4, "server/lifecycle": 4,
    "server/rpc": 5, "server/mads": 5, "server/http": 6, "server/main.c": 7,
    "drivers": 2, "scheduler": 2, "client": 2,
}
# The store's own header is in the core, which defines the interface that the store fills in.
EXCEPTIONS = {("server/store", "server/core/store.h")}


def room_of(path):
    parts = path.split("/")
    return next((room for room in (path, "/".join(parts[:2]), parts[0]) if room in FLOORS), None)


def may_include(including, included):
    mine, other = room_of(including), room_of(included)
    if mine is None:
        return f"{including} stands on no floor: add its room to FLOORS"
    if other is None:
        return None if (ROOT / included).exists() else f"{including} includes {included}, which is not there"
    if mine == other or (mine, included) in EXCEPTIONS:
        return None
    outside = mine in ("drivers", "scheduler", "client")
    if outside and other != "lib":
        return f"{including} includes {included}: {mine} stands on lib alone"
    if FLOORS[other] >= FLOORS[mine]:
        return f"{including} (floor {FLOORS[mine]}) includes {included} (floor {FLOORS[other]})"
    if mine.startswith("server") and other in ("drivers", "scheduler", "client"):
        return f"{including} includes {included}: the server knows no other program"
    return None


def includes_of(path):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M)


@pytest.mark.parametrize("room", ["lib", "server", "drivers", "scheduler", "client"])
def test_includes_point_one_way(room):
    wrong = [why for path in files(room, ".c", ".h") for included in includes_of(path)
             if (why := may_include(name(path), included))]
    assert not wrong, "\n".join(wrong)


def test_floors_can_be_broken():
    """The rule above is able to say no."""
    assert may_include("lib/base/log.c", "server/model/machine/vm.h")
    assert may_include("server/model/machine/vm.c", "server/rpc/call.h")
    assert may_include("server/rpc/call.c", "server/mads/mads.h")
    assert may_include("drivers/vmm/main.c", "server/core/core.h")
    assert may_include("server/core/core.c", "client/cli/cli.h")
    assert may_include("server/rpc/call.c", "server/model/machine/vm.h") is None


# ---- sizes and words ----

def test_files_are_short():
    long = [f"{name(path)}: {lines} lines" for path in c_files()
            if (lines := path.read_text().count("\n")) > 700 and not name(path).startswith("tests/")]
    assert not long, "two rooms in one?\n" + "\n".join(long)


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)


def test_no_dangerous_calls():
    wrong = [f"{name(path)}: {call}" for path in c_files() if path.suffix == ".c"
             for call in re.findall(r"\b(?:strcpy|strcat|sprintf|vsprintf|gets|system|popen|tmpnam|mktemp)\s*\(",
                                    without_comments(path.read_text()))]
    assert not wrong, "\n".join(wrong)


def test_reasons_of_libvirt_are_read_first():
    """virDomainGetName() and its like forget the last error, so none stands among the arguments of what tells it."""
    call = re.compile(r"\b(?:libvirt_error|driver_log|driver_job_fail|log_[a-z]+|g_set_error)\([^;]*;")
    for path in files("drivers", ".c"):
        for told in call.findall(path.read_text()):
            others = re.findall(r"\bvir(?!GetLastError)[A-Z]\w*\(", told)
            assert not others or not told.startswith("libvirt_error") and "virGetLastError" not in told, f"{name(path)}: {told}"


def test_nothing_is_left_open():
    marks = "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "not (yet )?" + "implemented"])
    wrong = [f"{name(path)}:{number}: {line.strip()[:100]}" for path in c_files()
             for number, line in enumerate(path.read_text().split("\n"), 1) if re.search(rf"\b({marks})\b", line)]
    assert not wrong, "\n".join(wrong)


def test_no_path_of_one_machine():
    """The checkout may stand anywhere and belong to anyone."""
    here = [str(ROOT)] if len(ROOT.parts) > 2 else []
    home = os.path.expanduser("~")
    words = "|".join([re.escape(word) + r"\b" for word in here] + [re.escape(home) + r"/(?!\.ssh|\.one)[\w.]"]
                     + [r"/home/(?!one\b|oneadmin|domains|user|me\b|\w*\*)\w+", r"\.\./shared/\w+/\w+\.(?:c|h|sh|py)\b"])
    wrong = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        wrong += [f"{name(path)}: {match.group(0)}" for match in re.finditer(words, text)]
    assert not wrong, "\n".join(wrong[:40])


# ---- pages ----

def heading_words(page):
    """The names by which links reach the headings of a page, as forges make them."""
    return {re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
            for line in page.read_text().split("\n") if line.startswith("#")}


def broken_links(page):
    for target, heading in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", page.read_text()):
        other = (page.parent / target).resolve() if target else page
        if not other.exists():
            yield f"{name(page)}: {target} is not there"
        elif heading and heading not in heading_words(other):
            yield f"{name(page)}: {target} has no heading #{heading}"


def test_links_lead_somewhere():
    pages = [path for path in tracked() if path.suffix == ".md"]
    wrong = [link for page in pages for link in broken_links(page)]
    assert not wrong, "\n".join(wrong)


def test_every_page_is_in_the_index():
    index = (ROOT / "share" / "doc" / "README.md").read_text()
    missing = [path.name for path in (ROOT / "share" / "doc").glob("*.md")
               if path.name != "README.md" and f"({path.name})" not in index]
    assert not missing, f"share/doc/README.md does not name {missing}"


# ---- tools ----

@pytest.mark.parametrize("room", ROOMS)
def test_format(room):
    sources = files(room, ".c", ".h")
    if not sources:
        return
    ended = run(["clang-format", "--dry-run", "--Werror", *sources], timeout=300)
    assert ended.returncode == 0, "`clang-format -i` on these mends it:\n" + "\n".join(
        sorted(set(re.findall(r"^(\S+?):\d+", ended.stdout, re.M))))


def compiler_flags():
    packages = ["glib-2.0", "gio-2.0", "gio-unix-2.0", "libxml-2.0", "sqlite3", "libmicrohttpd", "libsodium",
                "libvirt", "libvirt-qemu", "libssh2", "libcurl", "json-glib-1.0"]
    found = run(["pkg-config", "--cflags", *packages])
    assert found.returncode == 0, found.stdout
    return ["-std=gnu17", "-D_GNU_SOURCE", '-DGLOBULE_VERSION="0"', "-DG_LOG_USE_STRUCTURED", f"-I{ROOT}",
            f"-I{ROOT}/build", *found.stdout.split()]


@lru_cache(maxsize=None)
def digest_of_headers():
    """A file is looked at again when it, a header, the chosen checks or the tool changed."""
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    digest.update(run(["clang-tidy", "--version"]).stdout.encode())
    for path in c_files():
        if path.suffix == ".h":
            digest.update(path.read_bytes())
    return digest.digest()


def tidy(path, flags):
    """What clang-tidy says of a file, or nothing. A clean result is remembered in build/tidy."""
    key = hashlib.sha256(digest_of_headers() + name(path).encode() + path.read_bytes()).hexdigest()
    clean = ROOT / "build" / "tidy" / key
    if clean.exists():
        return ""
    ended = subprocess.run(["clang-tidy", "--quiet", path, "--", *flags], cwd=ROOT, text=True, errors="replace",
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
    if ended.returncode == 0:
        clean.parent.mkdir(parents=True, exist_ok=True)
        clean.touch()
        return ""
    return ended.stdout or ended.stderr


def rooms_of_c():
    """Rooms small enough that a failure names its place: lib/base, server/rpc, drivers/vmm ..."""
    return sorted({str(Path(*path.relative_to(ROOT).parts[:2])) if len(path.relative_to(ROOT).parts) > 2
                   else path.relative_to(ROOT).parts[0]
                   for path in c_files() if path.suffix == ".c" and not name(path).startswith("tests/")})


@pytest.mark.parametrize("room", rooms_of_c())
def test_clang_tidy(room):
    sources = [path for path in c_files() if path.suffix == ".c" and name(path).startswith(room + "/")
               and (room.count("/") or path.parent == ROOT / room)]
    flags = compiler_flags()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        said = [text for text in pool.map(lambda path: tidy(path, flags), sources) if text]
    assert not said, "\n".join(said)[:12000]


@pytest.mark.parametrize("script", shell_scripts(), ids=name)
def test_shell(script):
    shell = "bash" if "bash" in first_line(script) else "sh"
    ended = run(["shellcheck", "-S", "warning", "-s", shell, "-e", "SC2174", script])
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("room", ["tests", "share", "client", "top"])
def test_python_compiles(room):
    sources = [path for path in tracked() if path.suffix == ".py" and name(path).startswith(room + "/")]
    if room == "top":
        sources = [path for path in tracked() if path.parent == ROOT and path.suffix == ".py"]
    wrong = []
    for path in sources:
        try:
            compile(path.read_text(), name(path), "exec")
        except SyntaxError as error:
            wrong.append(f"{name(path)}:{error.lineno}: {error.msg}")
    assert not wrong, "\n".join(wrong)


def test_both_commands_are_there():
    for program in ["demo", "check", "install.sh", ".ci/run"]:
        assert os.access(ROOT / program, os.X_OK), f"{program} is missing or cannot be run"
    assert "../check" in (ROOT / ".ci/run").read_text()
    assert "Apache License" in (ROOT / "LICENSE").read_text()
