"""A real web server: nginx on free ports of loopback, with certificates of every quality."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
from support.certificates import Certificates, certificates, write_pem

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
PAGE = b"<html><body>It works: Gr\xc3\xbc\xc3\x9fe</body></html>"

_CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_timeout 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  types {{ text/html html; application/json json; text/plain txt; }}
  gzip on;
  gzip_min_length 1;
  gzip_types application/json;
  server {{
    listen 127.0.0.1:{http};
    root {folder}/root;
    location = /status {{ return 503 "busy"; }}
    location = /empty {{ return 204; }}
    location = /hop {{ return 302 /index.html; }}
    location = /moved {{ return 301 http://localhost:{http}/index.html; }}
    location = /secure {{ return 308 https://localhost:{valid}/index.html; }}
    location = /loop {{ return 307 /loop; }}
    location = /agent {{ return 200 "$http_user_agent $request_method $http_x_token"; }}
  }}
{secure}
}}
"""
_SECURE = """
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {pem};
    ssl_certificate_key {pem};
    root {folder}/root;
    location = /plain {{ return 302 http://127.0.0.1:{http}/agent; }}
    location = /valid {{ return 302 https://localhost:{valid}/index.html; }}
  }}
"""


@attrs.frozen(kw_only=True)
class Nginx:
    """Where a running nginx listens."""

    http: int
    valid: int
    expired: int
    wrong_name: int
    unknown_issuer: int
    certificates: Certificates


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """Run nginx for all the tests of a process."""
    if NGINX is None:
        pytest.skip("there is no nginx")
    with running_nginx(tmp_path_factory.mktemp("nginx")) as found:
        yield found


@contextmanager
def running_nginx(folder: Path) -> Iterator[Nginx]:
    """Run nginx with its files in ``folder``."""
    http, *secure = _free_ports(5)
    found = Nginx(
        http=http,
        valid=secure[0],
        expired=secure[1],
        wrong_name=secure[2],
        unknown_issuer=secure[3],
        certificates=certificates(),
    )
    _write_files(folder, found)
    process = subprocess.Popen([str(NGINX), "-p", folder, "-c", folder / "nginx.conf"])
    try:
        _wait_listening(http, folder)
        yield found
    finally:
        process.terminate()
        process.wait(10)


def _write_files(folder: Path, found: Nginx) -> None:
    root = folder / "root"
    root.mkdir()
    (root / "index.html").write_bytes(PAGE)
    (root / "data.json").write_text('{"ok": true, "queue": {"depth": 7, "load": 0.1}}')
    (root / "big.json").write_text("[" + "0," * 500_000 + "0]")
    secure = ""
    for name in ("valid", "expired", "wrong_name", "unknown_issuer"):
        pem = write_pem(getattr(found.certificates, name), folder / f"{name}.pem")
        port = getattr(found, name)
        secure += _SECURE.format(
            port=port, pem=pem, folder=folder, http=found.http, valid=found.valid
        )
    # Its worker would give up root, and pytest's folders are for their owner only.
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = _CONFIGURATION.format(
        user=user, folder=folder, http=found.http, valid=found.valid, secure=secure
    )
    (folder / "nginx.conf").write_text(configuration)


def _free_ports(count: int) -> Sequence[int]:
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def _wait_listening(port: int, folder: Path) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError((folder / "error.log").read_text())
