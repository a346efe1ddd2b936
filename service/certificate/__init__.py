"""The certificate: tests, on this machine, that answers keep their bits under batching, padding and chunking."""

from service.certificate.certify import Budget, certify, is_bitwise
from service.certificate.fingerprint import fingerprint_here

__all__ = ["Budget", "certify", "fingerprint_here", "is_bitwise"]
