"""What makes an address one that requests may go to (pure)."""

import ipaddress
from urllib.parse import urlsplit


def url_problem(url: str, key_setting: str) -> str | None:
    """Say what is wrong with the address of a server, as the end of a sentence; None where nothing is.

    Args:
        url: without blanks around it.
        key_setting: where a key belongs that stands in the address.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        return "has characters that no address has"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "has a host or port that is not valid"
    if parts.scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not parts.hostname or port == 0:
        return "names no host or port that could answer"
    if "@" in parts.netloc:
        return f"has a name or password in it (the key belongs into {key_setting})"
    if parts.query or parts.fragment:
        return "has a part after ? or #"
    return None


def exposed_host(url: str) -> str | None:
    """Return the host if what is sent there can be read on the way: plain http to another machine."""
    parts = urlsplit(url)
    return None if parts.scheme == "https" or is_loopback(url) else parts.hostname or ""


def is_loopback(url: str) -> bool:
    """Tell whether an address is of this very machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
