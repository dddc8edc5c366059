"""Ed25519 private keys as files in the folder of keys."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark_server.keys.folder import KeyFolder, KeysRefused

__all__ = ["new_private_key", "read_private_key"]


def new_private_key() -> bytes:
    """Return a new key in PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def read_private_key(folder: KeyFolder, name: str) -> Ed25519PrivateKey:
    """Return the key in this file.

    Raises:
        KeysRefused: it is missing, or is no such key.

    """
    try:
        key = serialization.load_pem_private_key(folder.read(name), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        message = f"{folder.path / name} is no key; put it back from your backup"
        raise KeysRefused(message) from error
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{folder.path / name} is not an Ed25519 key; put it back from your backup"
        raise KeysRefused(message)
    return key
