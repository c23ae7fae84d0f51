"""one_auth_mad: keys, certificates, servers' secrets made by openssl as the clients of OpenNebula make them, and a real slapd."""
import base64
import hashlib
import os
import re
import shutil
import subprocess
import time

import pytest
from api.server import BUILD, PATIENCE, Server, end_with_the_tests, free_port
from api.states import AUTHENTICATION

CONFIGURATION = """
AUTH_MAD = [ EXECUTABLE = "one_auth_mad", AUTHN = "ssh,x509,ldap,server_cipher" ]
AUTH_MAD_CONF = [ NAME = "ldap", PASSWORD_CHANGE = "NO", DRIVER_MANAGED_GROUPS = "YES", DRIVER_MANAGED_GROUP_ADMIN = "YES",
                  MAX_TOKEN_TIME = 3600 ]
DEFAULT_AUTH = "ldap"
SESSION_EXPIRATION_TIME = 1
"""
HOUR = 3600


def openssl(*words, **options):
    ended = subprocess.run(["openssl", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("mad"), CONFIGURATION).start()
    for name in ("blue", "red"):
        server.ok("one.group.allocate", name)
    (server.directory / "bin").mkdir()
    (server.directory / "bin" / "oneuser").symlink_to(BUILD / "bin" / "onecli")
    yield server
    server.clean_up()


def oneuser(one, *words, home=None):
    environment = dict(one.environment(), ONE_XMLRPC=f"http://127.0.0.1:{one.port}/RPC2", HOME=str(home or one.directory))
    if home:
        environment.pop("ONE_AUTH")
    ended = subprocess.run([one.directory / "bin" / "oneuser", *map(str, words)], env=environment, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stdout
    return ended.stdout.strip()


def who(one, name, secret):
    return one.client(f"{name}:{secret}").xml("one.user.info", -1)


def keep_out(one, name, secret):
    one.client(f"{name}:{secret}").fails("one.user.info", -1, code=AUTHENTICATION)


def signed(key, text):
    """What `private_encrypt` of the Ruby clients gives."""
    return base64.b64encode(openssl("pkeyutl", "-sign", "-inkey", key, "-pkeyopt", "rsa_padding_mode:pkcs1", input=text.encode())).decode()


def later(seconds=HOUR):
    return int(time.time()) + seconds


# ---- ssh ----

@pytest.fixture(scope="module")
def rsa(tmp_path_factory):
    path = tmp_path_factory.mktemp("rsa") / "key.pem"
    openssl("genrsa", "-out", path, "2048")
    return path


def test_rsa_as_the_clients_of_opennebula_do_it(one, rsa):
    public = b"".join(line for line in openssl("rsa", "-in", rsa, "-pubout").splitlines() if b"PUBLIC KEY" not in line).decode()
    assert oneuser(one, "key", "--key", rsa) == public
    one.ok("one.user.allocate", "ruby", public, "ssh")
    assert who(one, "ruby", signed(rsa, f"ruby:{later()}")).findtext("AUTH_DRIVER") == "ssh"
    # More of what is wrong is in tests/unit/test_token.c: failed attempts make the next wait.
    for text in (f"ruby:{int(time.time()) - 1}", f"ruby2:{later()}"):
        keep_out(one, "ruby", signed(rsa, text))
    keep_out(one, "ruby", base64.b64encode(os.urandom(256)).decode())
    one.ok("one.user.allocate", "odd", "no-key", "ssh")
    for wrong in ("", "!" * 60000, "!" * 100000):
        keep_out(one, "odd", wrong)


def test_a_token_ends_though_it_is_remembered(one, rsa):
    one.ok("one.user.allocate", "brief", oneuser(one, "key", "--key", rsa), "ssh")
    for seconds in (3, 10, 60):  # on a slow computer the first may have ended before it is used
        end = later(seconds)
        token = signed(rsa, f"brief:{end}")
        if one.client(f"brief:{token}").call("one.user.info", -1)[0]:
            break
        assert time.time() >= end
    time.sleep(max(0, end + 1 - time.time()))
    keep_out(one, "brief", token)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_keys_of_ssh_keygen(one, tmp_path, kind):
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key], check=True)
    assert key.read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY")
    oneuser(one, "create", f"k{kind}", "--ssh", "--key", key)
    home = tmp_path / "home"
    home.mkdir()
    oneuser(one, "login", f"k{kind}", "--ssh", "--key", key, "--time", 600, home=home)
    session = (home / ".one" / "one_auth").read_text().strip()
    assert (home / ".one" / "one_auth").stat().st_mode & 0o777 == 0o600
    name, secret = session.split(":", 1)
    assert who(one, name, secret).findtext("NAME") == f"k{kind}"
    assert f"k{kind}" in oneuser(one, "show", home=home)
    keep_out(one, name, secret[:-2] + ("AA" if not secret.endswith("AA") else "BB"))


def test_an_encrypted_key_says_what_to_do(one, tmp_path):
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", key], check=True)
    with pytest.raises(AssertionError, match="is encrypted; write a copy without passphrase with `ssh-keygen -p"):
        oneuser(one, "key", "--key", key)


# ---- x509 ----

@pytest.fixture(scope="module")
def authority(one, tmp_path_factory):
    """An authority that the server trusts, and certificates: a good one, one of another authority, one that is over."""
    at = tmp_path_factory.mktemp("ca")
    trusted = one.etc / "auth" / "certificates"
    trusted.mkdir(parents=True)
    for ca in ("ca", "strange"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", at / f"{ca}.key", "-out", at / f"{ca}.pem", "-days", 30,
                "-subj", f"/O=Test/CN={ca}")
    shutil.copy(at / "ca.pem", trusted / "ca.pem")
    for name, ca, days in (("good", "ca", 2), ("forged", "strange", 2)):
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", at / f"{name}.key", "-out", at / f"{name}.csr",
                "-subj", "/O=Test Cloud/CN=Xenia")
        openssl("x509", "-req", "-in", at / f"{name}.csr", "-CA", at / f"{ca}.pem", "-CAkey", at / f"{ca}.key", "-CAcreateserial",
                "-days", days, "-out", at / f"{name}.pem")
    return at


def x509_token(at, name, user, expires):
    return base64.b64encode(f"{signed(at / f'{name}.key', f'{user}:{expires}')}:{(at / f'{name}.pem').read_text()}".encode()).decode()


def test_certificates(one, authority, tmp_path):
    word = r"/O=Test\x20Cloud/CN=Xenia"
    files = ("--x509", "--key", authority / "good.key", "--cert", authority / "good.pem")
    assert oneuser(one, "key", *files) == word
    one.ok("one.user.allocate", "xenia", f"/CN=other|{word}", "x509")
    one.ok("one.user.allocate", "older", "/O=TestCloud/CN=Xenia", "x509")
    one.ok("one.user.allocate", "wrong", "/O=Test/CN=ca", "x509")
    assert who(one, "xenia", x509_token(authority, "good", "xenia", later())).findtext("NAME") == "xenia"
    assert who(one, "older", x509_token(authority, "good", "older", later())).findtext("NAME") == "older"
    oneuser(one, "login", "xenia", *files, home=tmp_path)
    assert "xenia" in oneuser(one, "show", home=tmp_path)
    keep_out(one, "wrong", x509_token(authority, "good", "wrong", later()))  # the authority's own subject is no user's
    keep_out(one, "xenia", x509_token(authority, "forged", "xenia", later()))
    keep_out(one, "xenia", x509_token(authority, "good", "xenia", int(time.time()) - 1))
    keep_out(one, "older", x509_token(authority, "good", "xenia", later()))
    mixed = f"{signed(authority / 'forged.key', f'xenia:{later()}')}:{(authority / 'good.pem').read_text()}"
    keep_out(one, "older", base64.b64encode(mixed.replace("xenia", "older").encode()).decode())


def test_a_revoked_certificate(one, authority):
    (authority / "index.txt").write_text("")
    (authority / "ca.cnf").write_text(f"[ca]\ndefault_ca = d\n[d]\ndatabase = {authority}/index.txt\ndefault_md = sha256\ndefault_crl_days = 30\n")
    common = ("-config", authority / "ca.cnf", "-cert", authority / "ca.pem", "-keyfile", authority / "ca.key")
    openssl("ca", *common, "-gencrl", "-out", one.etc / "auth" / "certificates" / "ca.crl")
    who(one, "xenia", x509_token(authority, "good", "xenia", later()))
    openssl("ca", *common, "-revoke", authority / "good.pem")
    openssl("ca", *common, "-gencrl", "-out", one.etc / "auth" / "certificates" / "ca.crl")
    keep_out(one, "xenia", x509_token(authority, "good", "xenia", later(HOUR + 1)))


# ---- servers ----

def cipher(secret, text):
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return base64.b64encode(openssl("enc", "-aes-256-cbc", "-K", digest[:32].encode().hex(), "-iv", digest[:16].encode().hex(),
                                    input=text.encode())).decode()


def test_servers_act_for_users_with_the_secret_of_the_first_start(one):
    paths = [one.var / ".one" / f"{name}_auth" for name in ("sunstone", "oneflow", "onegate", "oneform", "oneks")]
    assert len({path.read_text() for path in paths}) == 1 and {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    name, secret = paths[0].read_text().strip().split(":")
    one.user("visitor", groups=[100, 101])
    token = cipher(secret, f"{name}:visitor:{later()}")
    assert who(one, name, f"visitor:{token}").findtext("NAME") == "visitor"
    assert one.client(f"{name}:visitor:101:{token}").xml("one.group.info", -1).findtext("ID") == "101"
    assert who(one, name, f"oneadmin:{cipher(secret, f'{name}:oneadmin:{later()}')}").findtext("ID") == "0"
    # A token names whom it is for: it does not open other doors.
    keep_out(one, name, f"oneadmin:{token}")
    keep_out(one, name, f"visitor:{cipher(secret, f'{name}:visitor:{int(time.time()) - 1}')}")
    keep_out(one, name, f"visitor:{cipher('wrong', f'{name}:visitor:{later()}')}")
    one.restart()
    assert who(one, name, f"visitor:{token}").findtext("NAME") == "visitor" and paths[0].read_text().strip() == f"{name}:{secret}"


# ---- a directory ----

LDIF = """
dn: dc=cloud
objectClass: dcObject
objectClass: organization
o: cloud
dc: cloud

dn: cn=reader,dc=cloud
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reading

dn: ou=people,dc=cloud
objectClass: organizationalUnit
ou: people
"""
PERSON = """
dn: cn={name} of the cloud,ou=people,dc=cloud
objectClass: inetOrgPerson
cn: {name} of the cloud
sn: {name}
uid: {name}
userPassword: {name}-secret
"""
GROUP = """
dn: cn={name},dc=cloud
objectClass: groupOfNames
cn: {name}
"""


@pytest.fixture(scope="module")
def slapd(one, authority, tmp_path_factory):
    program = shutil.which("slapd") or "/usr/sbin/slapd"
    if not os.path.exists(program):
        pytest.skip("slapd is not installed")
    at = tmp_path_factory.mktemp("slapd")
    (at / "data").mkdir()
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", at / "server.key", "-out", at / "server.csr", "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", at / "server.csr", "-CA", authority / "ca.pem", "-CAkey", authority / "ca.key", "-CAcreateserial",
            "-days", 2, "-out", at / "server.pem", "-extfile", "/dev/stdin", input=b"subjectAltName = IP:127.0.0.1")
    modules = next(path for path in ("/usr/lib/ldap", "/usr/lib/openldap") if os.path.isdir(path))
    (at / "slapd.conf").write_text(f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {at}/slapd.pid
modulepath {modules}
moduleload back_ldif
TLSCertificateFile {at}/server.pem
TLSCertificateKeyFile {at}/server.key
access to attrs=userPassword by anonymous auth by * none
access to * by dn="cn=reader,dc=cloud" read by * none
database ldif
suffix "dc=cloud"
directory {at}/data
""")
    people = ("anna", "berta", "carl", "star*", "Dora")
    text = LDIF + "".join(PERSON.format(name=name) for name in people)
    for name, members in (("cloudusers", people[:2] + people[3:]), ("reds", ("anna",)), ("chiefs", ("anna", "berta"))):
        text += GROUP.format(name=name) + "".join(f"member: cn={m} of the cloud,ou=people,dc=cloud\n" for m in members)
    (at / "data.ldif").write_text(text)
    ended = subprocess.run([shutil.which("slapadd") or "/usr/sbin/slapadd", "-f", at / "slapd.conf", "-l", at / "data.ldif"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    port, secure = free_port(), free_port()
    output = open(at / "output", "wb")
    process = subprocess.Popen([program, "-f", at / "slapd.conf", "-h", f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{secure}", "-d", "0"],
                               stdout=output, stderr=output, preexec_fn=end_with_the_tests)
    (one.etc / "auth").mkdir(exist_ok=True)

    def configure(encryption="none", more="", host="127.0.0.1", to=None):
        (one.etc / "auth" / "ldap.conf").write_text(f"""
# nobody is there
SERVER = [ NAME = "silent", HOST = "127.0.0.1", PORT = 9, TIMEOUT = 1, BASE = "dc=cloud" ]
SERVER = [ NAME = "cloud", HOST = "{host}", PORT = {to or (secure if encryption == 'tls' else port)}, ENCRYPTION = {encryption},
           CA_FILE = "{authority}/ca.pem", USER = "cn=reader,dc=cloud", PASSWORD = "reading", BASE = "dc=cloud",
           USER_FIELD = "uid", GROUP = "cn=cloudusers,dc=cloud" {more} ]
MAP = [ GROUP_DN = "cn=reds,dc=cloud", GID = 101 ]
MAP = [ GROUP_DN = "CN=chiefs,DC=cloud", GID = 100, ADMIN = YES ]
""")
    configure()

    def answers():
        assert process.poll() is None, (at / "output").read_text()
        try:
            import socket
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False
    one.until(answers, "slapd to answer")
    yield configure
    process.terminate()
    process.wait(PATIENCE)
    output.close()


def test_people_of_a_directory(one, slapd):
    anna = who(one, "anna", "anna-secret")
    assert anna.findtext("AUTH_DRIVER") == "ldap" and [g.text for g in anna.findall("GROUPS/ID")] == ["100", "101"]
    assert [a.text for a in one.xml("one.group.info", 100).findall("ADMINS/ID")] == [anna.findtext("ID")]
    berta = who(one, "berta", "berta-secret")
    assert berta.findtext("GID") == "100" and berta.findtext("ID") != anna.findtext("ID")
    assert who(one, "dora", "Dora-secret").findtext("NAME") == "Dora" and who(one, "Dora", "Dora-secret").findtext("GID") == "1"
    assert who(one, "star*", "star*-secret").findtext("NAME") == "star*"
    for name, secret in (("anna", "wrong"), ("anna", ""), ("carl", "carl-secret"), ("nobody", "x"), ("reader", "reading"), ("*", "x"),
                         ("an*", "anna-secret"), ("anna)(uid=*", "anna-secret"), ("ann\\61", "anna-secret")):
        keep_out(one, name, secret)
    names = {user.findtext("NAME") for user in one.xml("one.userpool.info").findall("USER")}
    assert {"anna", "berta", "Dora", "star*"} <= names and not {"carl", "nobody", "an*", "dora", "reader"} & names


def test_changed_groups_arrive_with_the_next_login(one, slapd):
    identity = int(who(one, "anna", "anna-secret").findtext("ID"))
    path = one.etc / "auth" / "ldap.conf"
    path.write_text(re.sub("GID = 100", "GID = 1", path.read_text()))
    time.sleep(1.1)  # what is remembered is one second old
    who(one, "anna", "anna-secret")
    assert [g.text for g in one.xml("one.user.info", identity).findall("GROUPS/ID")] == ["1", "101"]
    slapd()


def test_a_secured_connection(one, slapd):
    slapd("tls")
    assert who(one, "berta", "berta-secret").findtext("NAME") == "berta"
    slapd("starttls")
    time.sleep(1.1)
    assert who(one, "berta", "berta-secret").findtext("NAME") == "berta"
    time.sleep(1.1)
    slapd("starttls")
    (one.etc / "auth" / "ldap.conf").write_text((one.etc / "auth" / "ldap.conf").read_text().replace("/ca.pem", "/strange.pem"))
    keep_out(one, "berta", "berta-secret")
    slapd("nonsense")
    keep_out(one, "berta", "berta-secret")
    slapd(to=9)
    keep_out(one, "berta", "berta-secret")
    slapd()
    one.until(lambda: one.client("berta:berta-secret").call("one.user.info", -1)[0], "a login")
