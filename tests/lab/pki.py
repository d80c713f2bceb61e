"""The lab's own certificate authority; a key pair for every server is made once and kept with the lab's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import topology
from .netns import command

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates for every address of the cluster; `name` tells authorities apart."""

    def __init__(self, directory: Path, name: str = "lab") -> None:
        self.directory = directory
        self.name = name
        directory.mkdir(parents=True, exist_ok=True)
        self.own = Certificate(directory / f"{name}-ca.crt", directory / f"{name}-ca.key")
        if not self.own.certificate.exists():
            subject = ("-subj", f"/CN={name} authority", "-days", "3650")
            command("openssl", "req", "-x509", *_EC, *subject, *self._out(self.own))

    @property
    def ca_file(self) -> Path:
        """What a client must trust."""
        return self.own.certificate

    def issue(self, name: str, days: int = 3650) -> Certificate:
        """A certificate for all hosts and the VIP, made at the first call; negative `days`: it has expired."""
        issued = Certificate(self.directory / f"{self.name}-{name}.crt", self.directory / f"{self.name}-{name}.key")
        if issued.certificate.exists():
            return issued
        addresses = [topology.VIP, topology.VIP6, "127.0.0.1"]
        for host in topology.HOST_NUMBERS:
            addresses += [topology.address(host), topology.address6(host)]
        names = ["DNS:localhost", "DNS:lab", *(f"DNS:{host}" for host in topology.HOST_NUMBERS)]
        names += [f"IP:{address}" for address in addresses]
        extensions = self.directory / f"{issued.certificate.stem}.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\n", encoding="ascii")
        request = command("openssl", "req", "-new", *_EC, "-subj", f"/CN={name}", "-keyout", str(issued.key))
        authority = ("-CA", str(self.own.certificate), "-CAkey", str(self.own.key), "-CAcreateserial")
        lifetime = ("-days", str(days), "-extfile", str(extensions))
        command("openssl", "x509", "-req", *authority, *lifetime, "-out", str(issued.certificate), stdin=request)
        return issued

    @staticmethod
    def _out(certificate: Certificate) -> tuple[str, ...]:
        return ("-keyout", str(certificate.key), "-out", str(certificate.certificate))
