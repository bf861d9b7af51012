"""An authority and a certificate for localhost, made by openssl for one run."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .limits import WAIT, Failure

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"


@dataclass(frozen=True)
class Made:
    """Where everything lies."""

    ca: Path
    chain: Path
    key: Path


def make(folder: Path) -> Made:
    """Make them in this folder."""
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    made = Made(ca, folder / "server.pem", folder / "server.key")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=test authority")
    ask = folder / "server.csr"
    openssl("req", *curve, "-keyout", made.key, "-out", ask, "-subj", "/CN=localhost")
    extensions = folder / "extensions"
    extensions.write_text(f"{NAMES}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
    signing = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions]
    openssl("x509", "-req", "-in", ask, *signing, "-out", made.chain)
    return made


def openssl(*arguments: object) -> bytes:
    """Run openssl and insist on success."""
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=WAIT, check=False)
    if done.returncode:
        raise Failure(f"`{' '.join(command)}` failed: {done.stderr.decode(errors='replace')}")
    return done.stdout
