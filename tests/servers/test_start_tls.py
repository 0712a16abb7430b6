"""TLS asked for in the words of each protocol, of a real server (mail and ldap: see there)."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from support.daemons import free_ports, installed, running
from support.daemons_tls import ServerFiles, server_files

from kubekuma.check.run import run_check
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import Reason
from kubekuma.model.target import OptionalTls, StartTls, TcpTarget

pytestmark = pytest.mark.servers


@attrs.frozen
class Place:
    """What a server needs to start: a folder, certificates, a free port."""

    folder: Path
    files: ServerFiles
    port: int


def pop3(it: Place) -> list[str | Path]:
    program = installed("dovecot", "dovecot-pop3d")
    configuration = it.folder / "dovecot.conf"
    configuration.write_text(f"""
protocols = pop3
listen = 127.0.0.1
base_dir = {it.folder}/run
state_dir = {it.folder}/state
log_path = {it.folder}/dovecot.log
default_internal_user = root
default_internal_group = root
default_login_user = nobody
ssl = yes
ssl_cert = <{it.files.cert}
ssl_key = <{it.files.key}
passdb {{
  driver = passwd-file
  args = {it.folder}/users
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {it.port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
""")
    return [program, "-F", "-c", configuration]


def ftp(it: Place) -> list[str | Path]:
    program = installed("vsftpd", "vsftpd")
    configuration = it.folder / "vsftpd.conf"
    empty = it.folder / "empty"
    empty.mkdir()
    configuration.write_text(f"""listen=YES
listen_address=127.0.0.1
listen_port={it.port}
background=NO
ssl_enable=YES
rsa_cert_file={it.files.cert}
rsa_private_key_file={it.files.key}
ssl_ciphers=HIGH
secure_chroot_dir={empty}
seccomp_sandbox=NO
""")
    return [program, configuration]


def xmpp(it: Place) -> list[str | Path]:
    program = installed("prosody", "prosody")
    configuration = it.folder / "prosody.cfg.lua"
    configuration.write_text(f"""
run_as_root = true
pidfile = "{it.folder}/prosody.pid"
data_path = "{it.folder}"
modules_enabled = {{ "tls", "saslauth" }}
modules_disabled = {{ "s2s", "offline" }}
c2s_ports = {{ {it.port} }}
c2s_interfaces = {{ "127.0.0.1" }}
c2s_require_encryption = true
ssl = {{ certificate = "{it.files.cert}", key = "{it.files.key}" }}
c2s_direct_tls_ports = {{}}
VirtualHost "localhost"
""")
    return [program, "-F", "--config", configuration]


def mysql(it: Place) -> list[str | Path]:
    program = installed("mariadbd", "mariadb-server")
    data = it.folder / "data"
    common = ["--no-defaults", "--user=root", f"--datadir={data}"]
    # Of io_uring's memory a machine gives only so much to all its servers.
    common += ["--skip-innodb-use-native-aio"]
    install = installed("mariadb-install-db", "mariadb-server")
    subprocess.run([install, *common, "--skip-test-db"], check=True, capture_output=True)
    where = [f"--port={it.port}", "--bind-address=127.0.0.1", f"--socket={it.folder}/socket"]
    tls = [f"--ssl-cert={it.files.cert}", f"--ssl-key={it.files.key}"]
    return [program, *common, *where, *tls]


def postgres(it: Place) -> list[str | Path]:
    (bin_,) = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:] or [Path("/none")]
    initdb = installed(str(bin_ / "initdb"), "postgresql")
    data = it.folder / "data"
    data.mkdir()
    # It refuses to run as root, whose files nobody else may read.
    shutil.chown(data, "postgres")
    for each in it.files:
        shutil.chown(each, "postgres")
    as_user = [installed("runuser", "util-linux"), "-u", "postgres", "--"]
    subprocess.run([*as_user, initdb, "-D", data], check=True, capture_output=True, cwd="/")
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": it.port,
        "unix_socket_directories": "",
        "ssl": "on",
        "ssl_cert_file": it.files.cert,
        "ssl_key_file": it.files.key,
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [*as_user, bin_ / "postgres", "-D", data, *options]


SERVERS: dict[StartTls, Callable[[Place], list[str | Path]]] = {
    StartTls.POP3: pop3,
    StartTls.FTP: ftp,
    StartTls.XMPP: xmpp,
    StartTls.MYSQL: mysql,
    StartTls.POSTGRES: postgres,
}


@pytest.fixture
def place(open_folders: Callable[[], Path]) -> Place:
    (port,) = free_ports(1)
    folder = open_folders()
    return Place(folder, server_files(folder), port)


@pytest.mark.parametrize("protocol", SERVERS, ids=lambda protocol: protocol.value)
async def test_a_server_turns_to_tls(protocol: StartTls, place: Place) -> None:
    command = SERVERS[protocol](place)
    with running(command, place.folder, ports=(place.port,)):
        for trusted, reason in ((True, Reason.PASSED), (False, Reason.TLS_UNTRUSTED)):
            bundle = secret_ref("bundle") if trusted else None
            tls = OptionalTls(start_tls=protocol, ca_bundle_secret_ref=bundle)
            target = TcpTarget(host="localhost", port=place.port, tls=tls)
            context = check_context(secrets={"bundle": place.files.authority.read_bytes()})
            result = await run_check(monitor_of(MonitorType.TCP, target), context)
            assert result.reason is reason, result.message
            assert result.certificate
            assert result.certificate.valid is trusted
