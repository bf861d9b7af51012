//! All options of Mosquitto 2.0 and 2.1, those of older versions that it still takes included.
//!
//! What must hold: a name stands here once. Deliberately absent: how a value is read, see `settings.rs` and `listener.rs`.

use super::known::Becomes::{Needless, Nothing, Setting};
use super::known::{Known, bridge, broker, listener};

/// What is the same whatever its value is.
const ANY: &[&str] = &["*"];
const PLUGIN: &str =
    "plugins of Mosquitto cannot be loaded: ask a web service about users and rights instead ([auth_http])";
const PSK: &str = "TLS with pre-shared keys is not part of this version: use certificates";
const FIXED_TLS: &str = "cipher suites are those of rustls for TLS 1.2 and 1.3, and cannot be chosen";
const LATER: &str = "this belongs to MQTT 5, and is not part of this version";
const LOG: &str = "log lines go to standard error, hence to the journal of systemd";

/// The table, in the order of the documentation.
#[must_use]
pub const fn options() -> &'static [Known] {
    OPTIONS
}

const OPTIONS: &[Known] = &[
    // Users and rules.
    broker(
        "allow_anonymous",
        Setting("listener.allow_anonymous"),
        "as in Mosquitto 2: without it, nobody comes in from another machine who has no user name",
    ),
    broker(
        "password_file",
        Setting("auth.passwords_file"),
        "the file is copied beside the result and read as it is; `burgee passwd` changes it",
    ),
    broker(
        "acl_file",
        Setting("access.acl_file"),
        "the file is copied beside the result and read as it is",
    ),
    broker(
        "per_listener_settings",
        Needless(&["false"]),
        "users and rules are the same at all listeners: the first files are taken, and listeners that have others are left out",
    ),
    broker(
        "clientid_prefixes",
        Nothing,
        "client identifiers are not restricted by their beginning: write a [[rule]] with a client pattern",
    ),
    broker("auth_plugin", Nothing, PLUGIN),
    broker("auth_plugin_deny_special_chars", Needless(ANY), "only plugins need it"),
    broker("auth_opt_*", Nothing, PLUGIN),
    broker("plugin", Nothing, PLUGIN),
    broker("plugin_load", Nothing, PLUGIN),
    broker("plugin_use", Nothing, PLUGIN),
    broker("global_plugin", Nothing, PLUGIN),
    broker("plugin_opt_*", Nothing, PLUGIN),
    broker("psk_file", Nothing, PSK),
    // What is kept.
    broker(
        "persistence",
        Setting("store.durability"),
        "true: `sync`; false, which is the default there: `memory`",
    ),
    broker(
        "retained_persistence",
        Setting("store.durability"),
        "an older name of persistence",
    ),
    broker(
        "persistence_location",
        Needless(ANY),
        "the store lies in store.directory; sessions and messages are taken over by `burgee import mosquitto.db`",
    ),
    broker(
        "persistence_file",
        Needless(ANY),
        "the store lies in store.directory; sessions and messages are taken over by `burgee import mosquitto.db`",
    ),
    broker(
        "autosave_interval",
        Needless(ANY),
        "what is acknowledged is on disk already",
    ),
    broker(
        "autosave_on_changes",
        Needless(ANY),
        "what is acknowledged is on disk already",
    ),
    broker(
        "persistent_client_expiration",
        Setting("session.expiry"),
        "m: 30 days, y: 365 days",
    ),
    // Queues and limits.
    broker(
        "max_inflight_messages",
        Setting("session.window"),
        "0, no limit: 65535; the default is 100 instead of 20",
    ),
    broker(
        "max_queued_messages",
        Setting("session.queue_messages"),
        "0: no limit; the default is no limit instead of 1000",
    ),
    broker(
        "max_queued_bytes",
        Setting("session.queue_bytes"),
        "0: no limit; the default is 64 MiB",
    ),
    broker(
        "max_inflight_bytes",
        Needless(&["0"]),
        "bytes on their way to a client are limited by session.outbox_bytes, which counts them for all qualities of service",
    ),
    broker(
        "queue_qos0_messages",
        Needless(&["false"]),
        "messages of QoS 0 do not wait for clients that are away: publish with QoS 1 what has to",
    ),
    broker(
        "max_packet_size",
        Setting("limits.max_packet"),
        "without the fixed header, 2 to 5 bytes; 0: no limit",
    ),
    broker(
        "message_size_limit",
        Setting("limits.max_packet"),
        "there the payload counts, here topic and payload: the greatest topic is added",
    ),
    broker(
        "memory_limit",
        Setting("limits.memory"),
        "here what clients send counts, there all memory: leave room for connections and subscriptions",
    ),
    broker(
        "global_max_connections",
        Setting("limits.max_connections"),
        "-1: no limit",
    ),
    broker("global_max_clients", Setting("limits.max_sessions"), "-1: no limit"),
    broker("max_keepalive", Nothing, LATER),
    broker(
        "allow_zero_length_clientid",
        Needless(&["true"]),
        "a client without an identifier is given one, as the standard says",
    ),
    broker(
        "auto_id_prefix",
        Nothing,
        "identifiers that the broker gives cannot be chosen: rules should name users, not such clients",
    ),
    broker(
        "allow_duplicate_messages",
        Needless(&["false"]),
        "a message comes once to a client with overlapping subscriptions, with the greatest QoS of them",
    ),
    broker(
        "retain_available",
        Needless(&["true"]),
        "retained messages cannot be switched off: deny them by a [[rule]]",
    ),
    broker(
        "retain_expiry_interval",
        Nothing,
        "retained messages stay until they are replaced or removed",
    ),
    broker(
        "check_retain_source",
        Needless(ANY),
        "whether a retained message may be published is decided when it comes, and who reads it when it is sent",
    ),
    broker(
        "upgrade_outgoing_qos",
        Needless(&["false"]),
        "the QoS of a delivery is never above that of the message",
    ),
    broker("max_topic_alias_broker", Nothing, LATER),
    broker("sys_interval", Setting("broker.sys_interval"), "0: none"),
    broker(
        "set_tcp_nodelay",
        Needless(ANY),
        "it is always set; what one turn has to say leaves in one piece",
    ),
    broker(
        "enable_control_api",
        Nothing,
        "there is no control by topics below $CONTROL",
    ),
    // Process and log.
    broker(
        "include_dir",
        Needless(ANY),
        "the files are read in their order; the result is one file",
    ),
    broker("user", Needless(ANY), "the service's unit says as whom it runs"),
    broker(
        "pid_file",
        Nothing,
        "systemd knows the process; other programs find its number in burgee.lock beside the store",
    ),
    broker(
        "log_type",
        Setting("log.level"),
        "debug, all: `debug`; information, notice, subscribe and so on: `info`; else the most talkative that is named",
    ),
    broker("log_dest", Needless(&["stderr", "syslog"]), LOG),
    broker("log_facility", Needless(ANY), LOG),
    broker(
        "log_timestamp",
        Needless(&["true"]),
        "each line has its time; the journal shows its own",
    ),
    broker(
        "log_timestamp_format",
        Nothing,
        "times are in UTC, in the form of RFC 3339",
    ),
    broker(
        "connection_messages",
        Needless(&["false"]),
        "connections are logged when log.level is `debug`, and counted below $SYS in any case",
    ),
    broker("websockets_log_level", Needless(ANY), "log.level counts"),
    broker(
        "websockets_headers_size",
        Needless(ANY),
        "the head of a WebSocket request has a limit of its own",
    ),
    broker(
        "packet_buffer_size",
        Needless(ANY),
        "the head of a WebSocket request has a limit of its own",
    ),
    // Listeners.
    listener(
        "listener",
        Setting("listener.url"),
        "a port, then an address, a name or the path of a Unix socket",
    ),
    listener(
        "port",
        Setting("listener.url"),
        "the listener without a name of older files",
    ),
    listener("bind_address", Setting("listener.url"), "the address of that listener"),
    listener(
        "protocol",
        Setting("listener.url"),
        "`websockets` becomes ws:// or wss://, on any path; a listener of `http_api` is left out",
    ),
    listener("socket_domain", Setting("listener.url"), "`ipv4` or `ipv6` alone"),
    listener(
        "bind_interface",
        Nothing,
        "a listener is bound to an address: write that of the interface. Until then this listener is left out",
    ),
    listener(
        "listener_allow_anonymous",
        Setting("listener.allow_anonymous"),
        "goes before allow_anonymous",
    ),
    listener(
        "listener_auto_id_prefix",
        Nothing,
        "identifiers that the broker gives cannot be chosen: rules should name users, not such clients",
    ),
    listener("max_connections", Setting("listener.max_connections"), "-1: no limit"),
    listener(
        "mount_point",
        Nothing,
        "topics are not prefixed by the listener: clients of this listener would see other topics than before. Until that \
         is solved this listener is left out",
    ),
    listener(
        "max_qos",
        Needless(&["2"]),
        "QoS is not limited by the listener: use a [[rule]] with a QoS cap",
    ),
    listener(
        "maximum_qos",
        Needless(&["2"]),
        "QoS is not limited by the listener: use a [[rule]] with a QoS cap",
    ),
    listener("max_topic_alias", Nothing, LATER),
    listener(
        "accept_protocol_versions",
        Nothing,
        "MQTT 3.1 can be switched off with broker.mqtt31, the others not",
    ),
    listener("http_dir", Nothing, "no files are served: use a web server"),
    listener(
        "use_username_as_clientid",
        Nothing,
        "the client identifier stays what the client says. Until that is solved this listener is left out: two users could \
         take each other's sessions only if one knows the other's password, but rules with %c would mean something else",
    ),
    listener(
        "allow_unauthenticated_ssl",
        Nothing,
        "no option of a released Mosquitto",
    ),
    listener(
        "websockets_origin",
        Setting("listener.origins"),
        "pages of these origins may connect; without it all may, so `[\"*\"]` is written",
    ),
    listener(
        "enable_proxy_protocol",
        Nothing,
        "name the proxies that may send a header of the PROXY protocol: listener.proxy",
    ),
    listener(
        "proxy_protocol_v2_require_tls",
        Nothing,
        "the proxy's word about TLS does not count",
    ),
    listener(
        "disable_client_cert_date_checks",
        Nothing,
        "dates of certificates always count",
    ),
    // TLS.
    listener(
        "certfile",
        Setting("listener.tls.certificate"),
        "the file stays where it is; it is read again when it changes",
    ),
    listener(
        "keyfile",
        Setting("listener.tls.key"),
        "the file stays where it is; it must not have a passphrase",
    ),
    listener(
        "cafile",
        Setting("listener.tls.ca"),
        "the authorities of client certificates, where they are asked for; they are not sent behind the certificate, as \
         Mosquitto does where certfile holds one alone",
    ),
    listener(
        "capath",
        Nothing,
        "authorities are read from one file: join those of the directory, and name it as listener.tls.ca",
    ),
    listener("crlfile", Setting("listener.tls.crl"), "revoked client certificates"),
    listener(
        "require_certificate",
        Setting("listener.tls.clients"),
        "true: `required`",
    ),
    listener(
        "use_identity_as_username",
        Setting("listener.tls.user_from"),
        "true: the common name is the user name",
    ),
    listener(
        "use_subject_as_username",
        Nothing,
        "the whole subject cannot be a user name: choose common-name, email, dns or uri for listener.tls.user_from. Until \
         then this listener is left out",
    ),
    listener(
        "tls_version",
        Setting("listener.tls.min_version"),
        "tlsv1.2 or tlsv1.3; older ones are not spoken",
    ),
    listener("ciphers", Nothing, FIXED_TLS),
    listener("ciphers_tls1.3", Nothing, FIXED_TLS),
    listener("dhparamfile", Needless(ANY), "key exchange is by elliptic curves"),
    listener("tls_engine", Nothing, "keys are read from files"),
    listener("tls_engine_kpass_sha1", Nothing, "keys are read from files"),
    listener("tls_keyform", Needless(&["pem"]), "keys are read from files"),
    listener("psk_hint", Nothing, PSK),
    listener("use_psk", Nothing, PSK),
    // Bridges.
    bridge("connection"),
    bridge("address"),
    bridge("addresses"),
    bridge("topic"),
    bridge("cleansession"),
    bridge("clientid"),
    bridge("remote_clientid"),
    bridge("local_clientid"),
    bridge("local_cleansession"),
    bridge("username"),
    bridge("remote_username"),
    bridge("local_username"),
    bridge("password"),
    bridge("remote_password"),
    bridge("local_password"),
    bridge("keepalive_interval"),
    bridge("idle_timeout"),
    bridge("restart_timeout"),
    bridge("start_type"),
    bridge("threshold"),
    bridge("round_robin"),
    bridge("try_private"),
    bridge("notifications"),
    bridge("notifications_local_only"),
    bridge("notification_topic"),
    bridge("bridge_*"),
    // Options that Mosquitto takes and ignores.
    broker("retry_interval", Needless(ANY), "Mosquitto ignores it, too"),
    broker("store_clean_interval", Needless(ANY), "Mosquitto ignores it, too"),
    broker("ffdc_output", Needless(ANY), "Mosquitto ignores it, too"),
    broker("max_log_entries", Needless(ANY), "Mosquitto ignores it, too"),
    broker("trace_level", Needless(ANY), "Mosquitto ignores it, too"),
    broker("trace_output", Needless(ANY), "Mosquitto ignores it, too"),
];
