"""An authority, the files that it gives a server, in a folder that is swapped as a whole, and its clients."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from soloist import TLS

_NAMES = ("localhost", "127.0.0.1", "::1")
_CERTIFICATE, _KEY, _CLIENT_CA = "tls.crt", "tls.key", "ca.crt"


@dataclass(frozen=True)
class Authority:
    """Signs certificates of servers and of clients."""

    ca: trustme.CA = field(default_factory=trustme.CA)

    def server(self, *, begins: timedelta = -timedelta(days=1), lasts: timedelta = timedelta(days=2)) -> Files:
        """Return a new certificate of a server, its key, and this authority as that of its clients."""
        begin = datetime.now(UTC) + begins
        issued = self.ca.issue_cert(*_NAMES, not_before=begin, not_after=begin + lasts)
        return Files(issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes(), self.ca.cert_pem.bytes())

    def client(self, *names: str, common_name: str | None = None) -> TLS:
        """Return what a client shows that trusts this authority."""
        issued = self.ca.issue_cert(*(names or ("a-client",)), common_name=common_name)
        return TLS(
            root_certificates=self.ca.cert_pem.bytes(),
            certificate_chain=issued.cert_chain_pems[0].bytes(),
            private_key=issued.private_key_pem.bytes(),
        )

    def anonymous(self) -> TLS:
        """Return a client that trusts this authority, and shows nothing."""
        return TLS(root_certificates=self.ca.cert_pem.bytes())


@dataclass(frozen=True)
class Files:
    """What is in the files of a server, PEM."""

    certificate: bytes
    key: bytes
    client_ca: bytes


class Mounted:
    """A folder with these files as Kubernetes mounts a secret: links, whose folder is swapped as a whole."""

    def __init__(self, folder: Path, files: Files) -> None:
        self._folder, self._count = folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        self.swap(files)
        for name in (_CERTIFICATE, _KEY, _CLIENT_CA):
            (folder / name).symlink_to(Path("..data") / name)

    @property
    def certificate(self) -> Path:
        """The certificate of the server."""
        return self._folder / _CERTIFICATE

    @property
    def key(self) -> Path:
        """Its key."""
        return self._folder / _KEY

    @property
    def client_ca(self) -> Path:
        """The authority of its clients."""
        return self._folder / _CLIENT_CA

    def settings(self, *, clients: bool = True, http: bool = True) -> dict[str, Path]:
        """Return the settings of both ports; with `clients` these have to show certificates."""
        found = {"tls_certificate": self.certificate, "tls_key": self.key}
        if clients:
            found["tls_client_ca"] = self.client_ca
        return found | ({f"http_{name}": path for name, path in found.items()} if http else {})

    def swap(self, files: Files) -> None:
        """Let all files be others at once."""
        self._count += 1
        made = self._folder / f"..{self._count}"
        made.mkdir()
        for name, content in ((_CERTIFICATE, files.certificate), (_KEY, files.key), (_CLIENT_CA, files.client_ca)):
            (made / name).write_bytes(content)
        link = self._folder / "..next"
        link.symlink_to(made.name)
        link.replace(self._folder / "..data")


def client_context(tls: TLS, folder: Path) -> ssl.SSLContext:
    """Return what Python's own clients take, with the certificate that is shown in a file of `folder`."""
    roots = (tls.root_certificates or b"").decode()
    context = ssl.create_default_context(cadata=roots)
    if tls.certificate_chain is not None and tls.private_key is not None:
        shown = folder / "shown.pem"
        shown.write_bytes(tls.private_key + tls.certificate_chain)
        context.load_cert_chain(shown)
    return context
