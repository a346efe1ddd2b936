"""Files of TLS that don't belong together."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from service.transport.tls import Tls, loaded


@pytest.mark.parametrize("key_type", [trustme.KeyType.ECDSA, trustme.KeyType.RSA])
def test_a_key_of_another_certificate_is_told(tmp_path: Path, key_type: trustme.KeyType) -> None:
    authority = trustme.CA()
    files = Tls(certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    authority.issue_cert("localhost", key_type=trustme.KeyType.ECDSA).cert_chain_pems[0].write_to_path(
        files.certificate
    )
    authority.issue_cert("localhost", key_type=key_type).private_key_pem.write_to_path(files.key)
    with pytest.raises(OSError, match="key values mismatch"):
        loaded(files, ["h2"])
