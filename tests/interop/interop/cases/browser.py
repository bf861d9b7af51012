"""A real browser: MQTT.js in a page of headless Chromium, over ws and wss."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .. import processes
from ..certificates import openssl
from ..limits import check, same
from ..suite import Context, single

PAGE = """<!doctype html>
<meta charset="utf-8">
<script src="mqtt.js"></script>
<script>
const say = (client, text) => client.publish(TOPIC + '/said', text, { qos: 1 })
const client = mqtt.connect(URL_OF_BROKER, { protocolVersion: 4, reconnectPeriod: 0 })
client.on('connect', () => client.subscribe(TOPIC + '/echo', { qos: 2 }, (error) => {
  if (error) return say(client, 'cannot subscribe')
  client.publish(TOPIC + '/echo', new Uint8Array(100000).fill(7), { qos: 2 })
}))
client.on('message', (topic, payload) => {
  const whole = payload.length === 100000 && payload.every((byte) => byte === 7)
  say(client, (whole ? 'well from ' : 'broken in ') + location.protocol)
})
</script>
"""


@single("a page in Chromium connects, subscribes and publishes over ws and wss")
def page(t: Context) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    check(browser is not None, "chromium is missing: scripts/setup installs it")
    assert browser is not None
    for end in t.broker.others:
        if not end.web:
            continue
        folder, topic = t.folder(), t.topic(end.scheme)
        shutil.copy(t.modules() / "mqtt" / "dist" / "mqtt.min.js", folder / "mqtt.js")
        url = f"{end.scheme}://{end.host}:{end.port}{end.path}"
        text = PAGE.replace("URL_OF_BROKER", repr(url)).replace("TOPIC", repr(topic))
        (folder / "page.html").write_text(text)
        witness = t.connected()
        witness.subscribe(f"{topic}/said", 1)
        # By default only pages of the broker's own host may connect, and one of a file has no host.
        server = serve(folder, end.host)
        t.at_end(server.shutdown)
        page_url = f"http://{end.host}:{server.server_address[1]}/page.html"
        process = start(browser, folder, page_url, t.broker.certificate)
        t.at_end(lambda process=process: end_of(process))
        same(witness.take_payloads(), [b"well from http:"], f"over {end.scheme}")
        end_of(process)


def serve(folder: Path, host: str) -> ThreadingHTTPServer:
    """A web server for this folder, on a port that the system chooses."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def start(browser: str, folder: Path, url: str, certificate: Path) -> subprocess.Popen[bytes]:
    """The browser with its own profile. It trusts this certificate, and nothing else that it should not."""
    command = [browser, "--headless=new", "--disable-gpu", "--no-first-run"]
    command += [f"--user-data-dir={folder / 'profile'}", "--disable-dev-shm-usage"]
    command += [f"--ignore-certificate-errors-spki-list={pin(certificate)}"]
    if os.geteuid() == 0:
        command.append("--no-sandbox")
    command.append(url)
    quiet = subprocess.DEVNULL
    return processes.start(command, stdin=quiet, stdout=quiet, stderr=quiet)


def pin(certificate: Path) -> str:
    """The hash of a certificate's public key."""
    pem = openssl("x509", "-in", certificate, "-pubkey", "-noout").decode()
    body = "".join(line for line in pem.splitlines() if "-----" not in line)
    return base64.b64encode(hashlib.sha256(base64.b64decode(body)).digest()).decode()


def end_of(process: subprocess.Popen[bytes]) -> None:
    """End the browser, and wait for it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
