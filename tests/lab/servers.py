"""The real servers: nginx as ingress and in front of the API, etcd as the server of long watches, an echo server."""

from __future__ import annotations

from pathlib import Path

from . import topology
from .pki import Certificate

BIG_FILE_BYTES = 1 << 30

# A health page answers with such a status while a file of that name is in the server's directory.
_ANSWERS = (401, 403, 404, 429, 500, 503)

_HEAD = """\
user root;
daemon off;
master_process off;
worker_rlimit_nofile 65536;
error_log stderr error;
pid {directory}/nginx.pid;
events {{
    worker_connections 16384;
}}
http {{
    access_log off;
    default_type text/plain;
    sendfile on;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
"""

_INGRESS = """\
    server {{
        listen {http} backlog=4096;
        listen [::]:{http} backlog=4096;
        listen {https} ssl http2 backlog=4096;
        listen [::]:{https} ssl http2 backlog=4096;
        location / {{ return 200 "{name} $remote_addr\\n"; }}
        location = /big {{ root {directory}; }}
        location = /healthz {{
{answers}            return 200 "ok\\n";
        }}
    }}
    server {{
        listen {proxied} proxy_protocol;
        listen [::]:{proxied} proxy_protocol;
        location / {{ return 200 "{name} $proxy_protocol_addr\\n"; }}
        location = /healthz {{ return 200 "ok\\n"; }}
    }}
}}
"""

# Like an API server: a readiness page of its own, everything else is gRPC to the etcd beside it, for as long as a watch lasts.
_API = """\
    server {{
        listen {api} ssl http2 backlog=4096;
        listen [::]:{api} ssl http2 backlog=4096;
        client_max_body_size 0;
        client_body_timeout 1d;
        location = /readyz {{
{answers}            return 200 "ok";
        }}
        location = /whoami {{ return 200 "{name} $remote_addr\\n"; }}
        location / {{
            grpc_pass grpcs://127.0.0.1:{etcd};
            grpc_read_timeout 1d;
            grpc_send_timeout 1d;
            grpc_ssl_verify on;
            grpc_ssl_name localhost;
            grpc_ssl_trusted_certificate {ca};
        }}
    }}
}}
"""


def nginx_argv(name: str, directory: Path, certificate: Certificate, ca_file: Path) -> list[str]:
    """Writes the configuration of a worker's ingress or of the API and returns how to start it."""
    checks = "".join(
        f"            if (-f {directory}/answer-{status}) {{ return {status}; }}\n" for status in _ANSWERS
    )
    body = _INGRESS if name in topology.WORKERS else _API
    text = (_HEAD + body).format(
        name=name,
        directory=directory,
        certificate=certificate.certificate,
        key=certificate.key,
        ca=ca_file,
        answers=checks,
        http=topology.HTTP_PORT,
        https=topology.HTTPS_PORT,
        proxied=topology.PROXY_HTTP_PORT,
        api=topology.API_PORT,
        etcd=topology.ETCD_PORT,
    )
    configuration = directory / "nginx.conf"
    configuration.write_text(text, encoding="ascii")
    with open(directory / "big", "wb") as big:
        big.truncate(BIG_FILE_BYTES)
    return ["nginx", "-e", "stderr", "-p", str(directory), "-c", str(configuration)]


def answer_with(directory: Path, status: int | None) -> None:
    """Lets the health page answer with the status from now on; None: 200 again."""
    for other in _ANSWERS:
        (directory / f"answer-{other}").unlink(missing_ok=True)
    if status is not None:
        assert status in _ANSWERS, f"no such answer prepared: {status}"
        (directory / f"answer-{status}").touch()


def etcd_argv(name: str, directory: Path, certificate: Certificate, clients_of: Path | None = None) -> list[str]:
    """How to start a single etcd that serves TLS on the host's address and on localhost.

    With `clients_of`, the file of an authority, only to clients that show a certificate of it.
    """
    clients = f"https://127.0.0.1:{topology.ETCD_PORT},https://{topology.address(name)}:{topology.ETCD_PORT}"
    return [
        "etcd",
        f"--name={name}",
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls=https://{topology.address(name)}:{topology.ETCD_PORT}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        f"--initial-cluster={name}=http://127.0.0.1:2380",
        f"--cert-file={certificate.certificate}",
        f"--key-file={certificate.key}",
        *([f"--trusted-ca-file={clients_of}", "--client-cert-auth"] if clients_of else []),
        "--heartbeat-interval=20",
        "--election-timeout=100",
        "--unsafe-no-fsync",
        "--log-level=error",
    ]
