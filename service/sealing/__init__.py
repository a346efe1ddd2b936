"""The sealing of states that leave this process: only a holder of the key can read or make them."""

from service.sealing.key_ring import KeyRing
from service.sealing.keys_file import Key, KeysFileError, new_key, read_keys, write_keys
from service.sealing.sealer import BrokenSealError, Sealer, UnknownKeyError

__all__ = [
    "BrokenSealError",
    "Key",
    "KeyRing",
    "KeysFileError",
    "Sealer",
    "UnknownKeyError",
    "new_key",
    "read_keys",
    "write_keys",
]
