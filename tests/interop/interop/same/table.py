"""Every option of mosquitto_pub, mosquitto_sub and mosquitto_rr: what it means, how we take it, and command lines that show it.

docs/cli.md is made of this table, and the command lines are run through both programs.
"""

from __future__ import annotations

from dataclasses import dataclass

from .lines import Line

SAME = "same"
REFUSED = "refused"
DIFFERS = "differs"

# What stands at the broker before the command lines run.
RETAINED = {
    "same/r/word": b"hello",
    "same/r/json": b'{"a": 1, "b":[true,"x"]}',
    "same/r/long": b"abcdefghijklmnopqrstuvwxyz",
    "same/q/a": b"1",
    "same/q/b": b"2",
    "same/q/c": b"3",
}


@dataclass(frozen=True)
class Row:
    """One option."""

    names: tuple[str, ...]
    # p, s, r: pub, sub, rr.
    commands: str
    meaning: str
    how: str = SAME
    note: str = ""
    lines: tuple[Line, ...] = ()


def pub(*arguments: str, topic: str = "same/out", **more: object) -> Line:
    """A line of pub that has a topic."""
    return Line("pub", ("-i", "{id}", "-t", topic, *arguments), **more)  # type: ignore[arg-type]


def sub(*arguments: str, topic: str = "same/r/word", **more: object) -> Line:
    """A line of sub that ends after a message."""
    return Line("sub", ("-i", "{id}", "-t", topic, *arguments), **more)  # type: ignore[arg-type]


def rr(*arguments: str, **more: object) -> Line:
    """A request that is its own response."""
    fixed = ("-V", "311", "-i", "{id}", "-t", "same/{id}", "-e", "same/{id}")
    return Line("rr", (*fixed, *arguments), **more)  # type: ignore[arg-type]


def formats(*them: str) -> tuple[Line, ...]:
    """Each of them with messages of several lengths."""
    return tuple(sub("-C", "1", "-F", one, topic=f"same/r/{kind}") for one in them for kind in ("word", "long"))


LIVE = (("same/{id}", b"live", False),)


def refused(code: int) -> tuple[Line, ...]:
    """A server that refuses with this code."""
    answer = bytes([0x20, 2, 0, code])
    return pub("-n", answer=answer), sub(answer=answer), rr("-n", answer=answer)


CONNECTION = (
    Row(("-h", "--host"), "psr", "host: a name or an address", lines=(
        pub("-m", "x"),
        pub("-m", "x", "-h", "no.such.host.invalid"),
        sub("-C", "1"),
        rr("-m", "x"),
        *(line for code in (1, 2, 3, 4, 5) for line in refused(code)),
        pub("-n", answer=b""),
        pub("-q", "1", "-m", "x", answer=b"\x20\2\0\0"),
        rr("-n", answer=b""),
    )),
    Row(("-p", "--port"), "psr", "port", note="numbers are read strictly: `-p abc` is an error, not port 0", lines=(
        pub("-m", "x", "-p", "1"),
        sub("-p", "99999"),
        sub("-p"),
    )),
    Row(("-L", "--url"), "psr", "user, password, host, port and topic in one; what comes later wins", note=(
        "`ws://`, `wss://` and `unix:///` work as well, and the topic may be missing"
    ), lines=(
        Line("pub", ("-i", "{id}", "-L", "mqtt://u:p@127.0.0.1:{port}/same/url", "-m", "x"), bare=True),
        Line("pub", ("-i", "{id}", "-h", "nowhere.invalid", "-L", "mqtt://127.0.0.1:{port}/same/url", "-t", "same/2", "-m", "x"), bare=True),
        Line("sub", ("-i", "{id}", "-L", "mqtt://127.0.0.1:{port}/same/r/word", "-t", "same/none", "-C", "1", "-v"), bare=True),
        Line("pub", ("-i", "{id}", "-L", "mqtt://:p@127.0.0.1:{port}/same/url", "-m", "x"), bare=True),
        Line("pub", ("-L", "http://127.0.0.1:{port}/x", "-m", "x"), bare=True),
    )),
    Row(("-i", "--id"), "psr", "client identifier", lines=(pub("-n"),)),
    Row(("-I", "--id-prefix"), "psr", "client identifier: this and the process number", lines=(
        Line("pub", ("-i", "a", "-I", "b", "-t", "t", "-n")),
        Line("sub", ("-I", "{id}", "-t", "same/r/word", "-C", "1"), differs=("packets",)),
    )),
    Row(("-u", "--username"), "psr", "user name", lines=(pub("-u", "me", "-n"), sub("-u", "me", "-C", "1"))),
    Row(("-P", "--pw"), "psr", "password", lines=(pub("-u", "me", "-P", "-secret", "-n"), pub("-P", "x", "-n"))),
    Row(("-k", "--keepalive"), "psr", "seconds between two signs of life", note="0 to 4 are taken as well; 0 switches it off", lines=(
        pub("-k", "17", "-n"),
        pub("-k", "70000", "-n"),
        sub("-k", "x"),
    )),
    Row(("-c", "--disable-clean-session"), "psr", "the server keeps the session; needs -i", lines=(
        pub("-c", "-n"),
        sub("-c", "-q", "1", "-E"),
        Line("sub", ("-c", "-t", "same/r/word")),
    )),
    Row(("-V", "--protocol-version"), "psr", "`mqttv311`, `mqttv31` or `311`, `31`", note=(
        "`5` is refused; `rr` speaks 3.1.1 where Mosquitto's would speak 5"
    ), lines=(pub("-V", "mqttv31", "-n"), pub("-V", "311", "-n"), sub("-V", "31", "-C", "1"), pub("-V", "6", "-n"))),
    Row(("-A",), "psr", "local address of the connection", lines=(
        pub("-A", "127.0.0.1", "-n"),
        pub("-A", "192.0.2.1", "-n"),
    )),
    Row(("-M",), "psr", "how many messages may be unacknowledged at once", lines=(
        pub("-M", "1", "-q", "1", "-l", stdin=b"1\n2\n3\n"),
        pub("-M", "0", "-n"),
    )),
    Row(("--nodelay",), "psr", "send small packets at once", note="always so", lines=(pub("--nodelay", "-n"),)),
    Row(("-d", "--debug"), "psr", "tell on standard output which packets come and go", note=(
        "acknowledgements of messages are not told"
    ), lines=(
        pub("-d", "-m", "x", "-q", "1"),
        pub("-d", "-l", stdin=b"a\n\nb"),
        sub("-d", "-C", "1", "-q", "2"),
        sub("-d", "-E", "-t", "same/other"),
        rr("-d", "-m", "x", differs=("packets", "out")),
    )),
    Row(("--quiet",), "psr", "no error messages", lines=(
        pub("--quiet", "-m", "x", "-p", "1"),
        sub("--quiet", "-W", "1", topic="same/none"),
        pub("--quiet", "--no-such-option"),
    )),
    Row(("--will-topic",), "psr", "topic of the will", lines=(
        pub("-n", "--will-topic", "same/will"),
        pub("-n", "--will-topic", "same/#"),
    )),
    Row(("--will-payload",), "psr", "its payload", lines=(
        sub("-C", "1", "--will-topic", "same/will", "--will-payload", "-bye"),
        pub("-n", "--will-payload", "bye"),
    )),
    Row(("--will-qos",), "psr", "its QoS", lines=(
        pub("-n", "--will-topic", "same/will", "--will-qos", "2"),
        pub("-n", "--will-topic", "same/will", "--will-qos", "7"),
        pub("-n", "--will-qos", "1"),
    )),
    Row(("--will-retain",), "psr", "it is retained", lines=(
        pub("-n", "--will-topic", "same/will", "--will-retain"),
        pub("-n", "--will-retain"),
    )),
    Row(("--help",), "psr", "help", how=DIFFERS, note="exit code 0 where Mosquitto's is 1", lines=(
        Line("pub", ("--help",), differs=("code", "out")),
    )),
    Row(("--version",), "psr", "the program's version", how=DIFFERS, note="`burgee --version` says ours"),
)

TLS = (
    Row(("--cafile",), "psr", "file with certificates of authorities to trust", lines=(
        pub("--cafile", "{folder}/ca.pem", "-q", "1", "-m", "x", secure=True),
        sub("--cafile", "{folder}/ca.pem", "-C", "1", secure=True),
        rr("--cafile", "{folder}/ca.pem", "-m", "x", secure=True),
        pub("--cafile", "{folder}/ca.pem", "-h", "localhost", "-n", secure=True),
        pub("--cafile", "/no/such/file", "-n", secure=True),
        # Theirs is 1 or 8, as it happens.
        pub("--cafile", "{folder}/server.pem", "-n", secure=True, differs=("code",)),
    )),
    Row(("--capath",), "psr", "directory with such files", note=(
        "every file with certificates in it is taken, hashed name or not; a directory that is not there has exit code 1, not 8"
    )),
    Row(("--cert",), "psr", "file with our certificate", lines=(pub("--cert", "x", "-n"),)),
    Row(("--key",), "psr", "file with its private key", lines=(pub("--key", "x", "-n"),)),
    Row(("--keyform",), "psr", "`pem`", note="`engine` is refused", lines=(pub("--keyform", "pem", "-n"),)),
    Row(("--tls-version",), "psr", "`tlsv1.2` or `tlsv1.3`, and no other then", note=(
        "`tlsv1.1` is refused; without it, both are spoken"
    ), lines=(
        pub("--cafile", "{folder}/ca.pem", "--tls-version", "tlsv1.2", "-m", "x", secure=True),
        pub("--cafile", "{folder}/ca.pem", "--tls-version", "tlsv1.3", "-m", "x", secure=True),
        pub("--cafile", "{folder}/ca.pem", "--tls-version", "tls", "-m", "x", secure=True),
    )),
    Row(("--tls-alpn",), "psr", "protocol to ask for within TLS"),
    Row(("--ciphers",), "psr", "cipher suites to offer, with colons between", note=(
        "names of suites; the words and signs of OpenSSL's lists (`HIGH`, `!aNULL`) are not known"
    ), lines=(
        pub("--cafile", "{folder}/ca.pem", "--tls-version", "tlsv1.2", "--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384", "-n", secure=True),
        pub("--cafile", "{folder}/ca.pem", "--ciphers", "no-such-cipher", "-n", secure=True),
    )),
    Row(("--insecure",), "psr", "do not look whether the certificate is for this host", lines=(
        pub("--cafile", "{folder}/ca.pem", "--insecure", "-h", "127.0.0.2", "-n", "-p", "1", secure=True),
        sub("--cafile", "{folder}/ca.pem", "--insecure", "-C", "1", secure=True),
    )),
    Row(("--tls-use-os-certs",), "psr", "trust the authorities that the system trusts; so do port 8883 and `mqtts://`", lines=(
        pub("--tls-use-os-certs", "-n", secure=True, differs=("code",)),
        Line("pub", ("-L", "mqtts://127.0.0.1:{port}/same/x", "-n"), bare=True, secure=True, differs=("code",)),
    )),
    Row(("--unix",), "psr", "path of a Unix socket, instead of a host", lines=(pub("--unix", "/no/such/socket", "-n"),)),
    Row(("--proxy",), "psr", "`socks5h://[user[:password]@]host[:port]`", note="`http://` for HTTP CONNECT as well", lines=(
        pub("--proxy", "nonsense", "-n"),
        pub("--proxy", "socks5h://127.0.0.1:1", "-n"),
    )),
)

PUBLISHING = (
    Row(("-t", "--topic"), "pr", "where to publish; the last one counts", lines=(
        pub("-t", "same/later", "-n"),
        pub("-n", topic="same/#"),
        Line("pub", ("-m", "x"), differs=("out",)),
    )),
    Row(("-m", "--message"), "pr", "the payload", note="given twice, the last one counts; Mosquitto's refuse that", lines=(
        pub("-m", "-h"),
        pub("-m", ""),
        pub("--message", "grün", "--topic", "same/ü"),
        pub("-m", "x", "-n"),
        rr("-m", "-x", "-v"),
    )),
    Row(("-f", "--file"), "pr", "the content of a file", note="`rr` sends it; Mosquitto's 2.0.11 sends nothing of it", lines=(
        pub("-f", "{folder}/file"),
        pub("-f", "{folder}/empty"),
        pub("-f", "/no/such/file"),
        rr("-f", "{folder}/file", differs=("packets", "out")),
    )),
    Row(("-l", "--stdin-line"), "p", "each line of standard input is a message", lines=(
        pub("-l", stdin=b"one\n\ntwo\r\nlast"),
        pub("-l", "-q", "2", "-r", stdin=b""),
    )),
    Row(("-s", "--stdin-file"), "pr", "all of standard input is one message", lines=(
        pub("-s", stdin=b"one\n\0two"),
        pub("-s", stdin=b""),
        rr("-s", stdin=b"x", differs=("packets", "out")),
    )),
    Row(("-n", "--null-message"), "pr", "an empty payload", lines=(pub("-n", "-r"), rr("-n", "-v"))),
    Row(("-q", "--qos"), "psr", "QoS", note="numbers are read strictly", lines=(
        pub("-q", "1", "-m", "x"),
        pub("-q", "2", "-m", "x"),
        pub("-q", "3", "-m", "x"),
        pub("-m", "x", "-q"),
        sub("-q", "2", "-C", "1", "-F", "%q"),
        rr("-q", "1", "-m", "x", differs=("packets",)),
    )),
    Row(("-r", "--retain"), "p", "the server keeps the message", lines=(pub("-r", "-m", "kept", topic="same/kept"),)),
    Row(("--repeat",), "p", "publish the message so many times", lines=(
        pub("-m", "x", "--repeat", "3"),
        pub("-n", "--repeat", "2", "-q", "2"),
        pub("-l", "--repeat", "3", stdin=b"x\n"),
        pub("-m", "x", "--repeat", "0"),
    )),
    Row(("--repeat-delay",), "p", "seconds between two of them", lines=(
        pub("-m", "x", "--repeat", "2", "--repeat-delay", "0.05"),
        pub("-m", "x", "--repeat-delay", "-1"),
    )),
)

SUBSCRIBING = (
    Row(("-t", "--topic"), "s", "topic filter; repeatable", lines=(
        sub("-t", "same/none", "-C", "1", "-v", topic="same/r/#", differs=("out",)),
        sub("-C", "3", "-v", topic="same/q/+"),
        sub(topic="same/#/x"),
        Line("sub", ()),
    )),
    Row(("-T", "--filter-out"), "s", "print nothing whose topic matches; repeatable", lines=(
        sub("-v", "-T", "same/q/a", "-C", "2", topic="same/q/#"),
        sub("-T", "same/#/x"),
    )),
    Row(("-U", "--unsubscribe"), "s", "unsubscribe, in a session that is kept; repeatable", note=(
        "works without -t, too"
    ), lines=(sub("-U", "same/r/none", "-C", "1"), sub("-U", "same/#/x"))),
    Row(("-C",), "s", "end after so many messages", lines=(sub("-C", "2", "-v", topic="same/q/#"), sub("-C", "0"), sub("-C"))),
    Row(("-W",), "sr", "end after so many seconds, with exit code 27", lines=(
        sub("-W", "1"),
        sub("-W", "0"),
        Line("rr", ("-V", "311", "-i", "{id}", "-t", "same/x", "-e", "same/none", "-m", "x", "-W", "1"), differs=("packets",)),
    )),
    Row(("-E",), "s", "end as soon as the subscriptions are acknowledged", lines=(sub("-E", topic="same/none"),)),
    Row(("-R",), "sr", "no retained messages", note="Mosquitto's `rr` 2.0.11 takes one all the same", lines=(
        sub("-R", "-C", "1", topic="same/{id}", then=LIVE),
        sub("-R", "-W", "1"),
    )),
    Row(("--retained-only",), "s", "only retained messages; ends at the first that is not", lines=(
        sub("--retained-only", "-t", "same/{id}", then=LIVE),
        sub("--retained-only", "-R"),
    )),
    Row(("--remove-retained",), "s", "have the server forget the retained messages that come", note=(
        "works together with `-C`, where 2.0.11 does not end"
    ), lines=(
        # The manual says that it removes; the program does not, and neither do we.
        sub("--remove-retained", "-R", "-W", "1", topic="same/{id}", before=(("same/{id}", b"1"),)),
        sub(
            "--remove-retained",
            "-v",
            "-W",
            "1",
            "-T",
            "same/{id}/b",
            topic="same/{id}/#",
            before=(("same/{id}/a", b"1"), ("same/{id}/b", b"2"), ("same/{id}/c", b"3")),
        ),
    )),
    Row(("--random-filter",), "s", "print only so many percent of the messages", note=(
        "2.0.11 prints a tenth of what it is asked for; values above 100 are refused"
    ), lines=(sub("--random-filter", "0"), sub("--random-filter", "x"))),
    Row(("-e",), "r", "topic of the response", lines=(
        rr("-m", "x", "-v"),
        rr("-m", "x", "-e", "same/#"),
        Line("rr", ("-V", "311", "-t", "same/x", "-m", "x")),
    )),
)

PRINTING = (
    Row(("-v", "--verbose"), "sr", "topic, a blank, payload", lines=(sub("-v", "-C", "1"), rr("-v", "-m", ""))),
    Row(("-N",), "sr", "no end of line behind a message", lines=(sub("-N", "-C", "1"), sub("-N", "-v", "-C", "1"))),
    Row(("-F",), "sr", "a format of your own", note=(
        "`%j` is valid JSON whatever the payload is: bytes that are no UTF-8 come out as U+FFFD. `%J` leaves numbers and strings "
        "as they were written. The time zone of `tst` stands once (2.0.11 writes `Z+0000`)"
    ), lines=(
        *formats(
            "%t|%p|%x|%X|%l|%q|%r|%m|%%",
            "%20t|%-20t|%020t|%3.3t|%.2t|%5.2t|%-5.2t|%.t|%5.t|",
            "%10p|%-10p|%010p|%2p|%-2p|%02p|%.2p|%10.2p|%40p|%-40p|",
            "%5x|%6x|%20x|%-20x|%020X|%60x|%2.2x|%30.30X|",
            "%5l|%-5l|%05l|%-05l|%00005l|%5.3l|%5q|%05r|%3m|%-3m|",
            "%A%C%D%E%F%P%R%S|%5A|%5C|%5D|%5E|%5F|%5P|%5R|%5S|",
            "%-04A|%04C|%04E|%-p|%-x|%-0X|%-.2p|",
            "%I|%U|%40I|%-40I|%.10I|%30U|%j|",
            r"\a\e\0\n\r\t\v\\@@%5%",
        ),
        *(
            sub("-C", "1", "-F", f"@{letter}|")
            for letter in "aAbBCdDeFgGhHIjklmMnpPrRSTtuUVwWxXyYzZEOKv%c"
            # At a change of minute or second both would be right and not the same.
            if letter not in "MSTrRXc"
        ),
        *(sub("-C", "1", "-F", one) for one in ("%y", "%", "%5", "abc\\", "\\q", "@", "%@", "", "%t%")),
        sub("-C", "1", "-F", "%J", topic="same/r/json"),
        sub("-C", "1", "-F", "%J"),
        sub("-C", "1", "-F", "%t %J %J %q|"),
        sub("-C", "1", "-v", "-N", "-F", "%t"),
        sub("-q", "1", "-C", "1", "-F", "%q %m", topic="same/{id}", then=LIVE),
        rr("-F", "%t %p", "-m", "x"),
    )),
    Row(("--pretty",), "sr", "JSON over several lines", lines=(
        sub("--pretty", "-F", "%j", "-C", "1"),
        sub("--pretty", "-F", "%J", "-C", "1", topic="same/r/json"),
        rr("--pretty", "-F", "%j", "-m", "x"),
    )),
)

REFUSALS = (
    Row(("-D", "--property"), "psr", "properties of MQTT 5", how=REFUSED),
    Row(("-x",), "psr", "session expiry of MQTT 5", how=REFUSED),
    Row(("--retain-as-published",), "s", "an option of subscriptions of MQTT 5", how=REFUSED),
    Row(("-S",), "psr", "SRV records", how=REFUSED, note="Debian's programs do not know it either"),
    Row(("--psk",), "psr", "TLS with a pre-shared key", how=REFUSED),
    Row(("--psk-identity",), "psr", "TLS with a pre-shared key", how=REFUSED),
    Row(("--tls-engine",), "psr", "engines of OpenSSL", how=REFUSED),
    Row(("--tls-engine-kpass-sha1",), "psr", "engines of OpenSSL", how=REFUSED),
)

SECTIONS = (
    ("The connection", CONNECTION),
    ("TLS, sockets and proxies", TLS),
    ("What to publish", PUBLISHING),
    ("What to subscribe to, and when to end", SUBSCRIBING),
    ("What to print", PRINTING),
    ("What is refused", REFUSALS),
)
