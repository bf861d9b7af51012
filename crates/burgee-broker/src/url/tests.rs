//! What can be written as a URL of a listener, and what is said where something cannot.

use super::*;

fn shown(text: &str) -> String {
    match text.parse::<ListenUrl>() {
        Ok(url) => {
            assert_eq!(
                url.to_string().parse().as_ref(),
                Ok(&url),
                "what is shown parses to the same"
            );
            url.to_string()
        }
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn addresses_and_names_parse() {
    for (text, canonical) in [
        ("tcp://127.0.0.1:1883", "tcp://127.0.0.1:1883"),
        ("TCP://0.0.0.0:0", "tcp://0.0.0.0:0"),
        ("tcp://[::1]:1884/", "tcp://[::1]:1884"),
        ("tcp://[::]", "tcp://[::]:1883"),
        ("tcp://localhost", "tcp://localhost:1883"),
        ("tcp://broker-1.example.org:65535", "tcp://broker-1.example.org:65535"),
        ("mqtt://host", "tcp://host:1883"),
        ("mqtts://host", "mqtts://host:8883"),
        ("tls://host:1", "mqtts://host:1"),
        ("ssl://host", "mqtts://host:8883"),
        ("ws://host:8083/mqtt", "ws://host:8083/mqtt"),
        ("ws://host", "ws://host:80"),
        ("wss://[::1]/", "wss://[::1]:443/"),
        ("wss://host:8084/a/b", "wss://host:8084/a/b"),
        ("systemd:mqtt", "systemd:mqtt"),
        ("systemd+tls:secure", "systemd+mqtts:secure"),
        ("systemd+ws:web", "systemd+ws:web"),
        ("systemd+wss:web/mqtt", "systemd+wss:web/mqtt"),
    ] {
        assert_eq!(shown(text), canonical, "{text}");
    }
    #[cfg(unix)]
    assert_eq!(shown("unix:///run/burgee.sock"), "unix:///run/burgee.sock");
}

#[test]
fn a_url_says_what_is_spoken() {
    let of = |text: &str| {
        let url: ListenUrl = text.parse().unwrap();
        (url.is_tls(), url.websocket().map(|path| path.map(str::to_owned)))
    };
    assert_eq!(of("tcp://h"), (false, None));
    assert_eq!(of("mqtts://h"), (true, None));
    assert_eq!(of("ws://h"), (false, Some(None)));
    assert_eq!(of("wss://h/x"), (true, Some(Some("/x".into()))));
    assert_eq!(of("systemd+wss:n/x"), (true, Some(Some("/x".into()))));
}

#[test]
fn errors_say_what_to_write() {
    for (text, hint) in [
        ("127.0.0.1:1883", "write tcp://127.0.0.1:1883"),
        ("http://host", "unknown scheme http://; use tcp://"),
        ("tcp://::1:1883", "in brackets"),
        ("tcp://[::1:1883", "not closed"),
        ("tcp://[::1]1883", "a port must follow"),
        ("tcp://[1.2.3.4]:1", "no IPv6 address"),
        ("tcp://host:99999", "from 0 to 65535"),
        ("tcp://host:", "from 0 to 65535"),
        ("tcp://1.2.3:1883", "neither an address nor a host name"),
        ("tcp://:1883", "neither an address nor a host name"),
        ("tcp://user@host:1", "only host and port"),
        ("mqtts://host:1/path", "only host and port may follow mqtts://"),
        ("ws://user@host/mqtt", "only host, port and path"),
        ("ws://host/mqtt?x=1", "without ? and #"),
        ("ws://host/m qtt", "printable ASCII"),
        ("unix://run/burgee", "it is absolute"),
        ("unix:///run/", "names a file"),
        ("systemd:", "FileDescriptorName="),
        ("systemd:a/b", "FileDescriptorName="),
        ("systemd+http:a", "systemd+ws:NAME/path"),
        ("systemdx:a", "systemd+ws:NAME/path"),
    ] {
        assert!(
            shown(text).contains(hint) && shown(text).starts_with("error"),
            "{text}: {}",
            shown(text)
        );
    }
    let long = format!("unix:///{}", "x".repeat(200));
    assert!(shown(&long).contains("at most 103 bytes"), "{}", shown(&long));
}
