"""HTTP Digest authentication (RFC 7616). Pure."""

import hashlib
from collections.abc import Mapping
from typing import Final
from urllib.request import parse_http_list, parse_keqv_list

_ALGORITHMS: Final = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}


def parse_challenge(header: str) -> Mapping[str, str] | None:
    """Read the Digest challenge of a WWW-Authenticate header; None if there is none we can meet."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    found = {name.lower(): value for name, value in parse_keqv_list(parse_http_list(rest)).items()}
    algorithm = found.get("algorithm", "MD5").lower().removesuffix("-sess")
    ways = {way.strip() for way in found.get("qop", "auth").split(",")}
    if "nonce" not in found or algorithm not in _ALGORITHMS or "auth" not in ways:
        return None
    return found


def authorization(
    challenge: Mapping[str, str], user: str, password: str, method: str, target: str, cnonce: str
) -> str:
    """The value of Authorization that answers ``challenge``."""
    algorithm = challenge.get("algorithm", "MD5")
    realm, nonce = challenge.get("realm", ""), challenge["nonce"]

    def digest(*parts: str) -> str:
        name = _ALGORITHMS[algorithm.lower().removesuffix("-sess")]
        return hashlib.new(name, ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    secret = digest(user, realm, password)
    if algorithm.lower().endswith("-sess"):
        secret = digest(secret, nonce, cnonce)
    asked = digest(method, target)
    count = "00000001"
    if "qop" in challenge:
        response = digest(secret, nonce, count, cnonce, "auth", asked)
    else:
        response = digest(secret, nonce, asked)
    fields = {
        "username": _quoted(user),
        "realm": _quoted(realm),
        "nonce": _quoted(nonce),
        "uri": _quoted(target),
        "response": _quoted(response),
        "algorithm": algorithm,
    }
    if "opaque" in challenge:
        fields["opaque"] = _quoted(challenge["opaque"])
    if "qop" in challenge:
        fields |= {"qop": "auth", "nc": count, "cnonce": _quoted(cnonce)}
    return "Digest " + ", ".join(f"{name}={value}" for name, value in fields.items())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
