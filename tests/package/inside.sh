#!/bin/sh
# The life of the package on a Debian that has booted: install, use, break, upgrade, remove, purge. Runs as root inside the
# container that scripts/package-test starts; /package holds the package twice, as first.deb and as second.deb.
#
# What must hold: every wait ends by an event or by a limit; the first thing that is not as it should be ends the run.
set -u

step() { printf '\n%s\n' "$1"; }
fine() { printf '  ok: %s\n' "$1"; }
wrong() {
  printf '  WRONG: %s\n' "$1"
  journalctl -u burgee --no-pager -n 30
  exit 1
}
# same WHAT EXPECTED FOUND
same() { if [ "$2" = "$3" ]; then fine "$1: $3"; else wrong "$1: $3, and not $2"; fi; }
# holds WHAT COMMAND...
holds() {
  what=$1; shift
  if said=$("$@" 2>&1 </dev/null); then fine "$what"; else printf '%s\n' "$said"; wrong "$what: not so: $*"; fi
}
# fails WHAT COMMAND...
fails() { what=$1; shift; if "$@" >/dev/null 2>&1; then wrong "$what: not so: $*"; else fine "$what"; fi; }
# becomes WHAT COMMAND...: within twenty seconds
becomes() {
  what=$1; shift
  left=100
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || wrong "$what: did not become so: $*"
    sleep 0.2
  done
  fine "$what"
}
of_unit() { systemctl show burgee -p "$1" --value; }
mode() { stat -c '%a %U:%G' "$1"; }
logged() { journalctl -u burgee --no-pager -o cat | grep -q -- "$1"; }
not() { ! "$@"; }
# A new process, and only then whether it is ready: the other way round, the old one might still count as active.
other_than() {
  now=$(of_unit MainPID)
  [ "$now" != 0 ] && [ "$now" != "$1" ] && systemctl is-active -q burgee
}
set_users() { sed -i 's/^# \(\[auth\]\|passwords_file\)/\1/' /etc/burgee/burgee.toml; }
as_ann() { burgee "$@" -u ann -P 'correct horse'; }
# Every socket that listens, as HEX-ADDRESS:HEX-PORT.
listening() { awk '$4 == "0A" { print $2 }' /proc/net/tcp /proc/net/tcp6 | LC_ALL=C sort | tr '\n' ' '; }

step "Install"
before=$(listening)
same "nobody listens yet" "" "$before"
holds "dpkg installs it" dpkg -i /package/first.deb
same "the service" active "$(systemctl is-active burgee)"
same "at the next boot" enabled "$(systemctl is-enabled burgee)"
same "what it says of itself" "serving 0 connections" "$(of_unit StatusText)"
same "where it listens, loopback alone" "00000000000000000000000001000000:075B 0100007F:075B " "$(listening)"
pid=$(of_unit MainPID)
same "its user" burgee "$(stat -c %U "/proc/$pid")"
same "its capabilities" 0000000000000000 "$(awk '/^CapEff/ { print $2 }' "/proc/$pid/status")"
same "capabilities that it could get" 0000000000000000 "$(awk '/^CapBnd/ { print $2 }' "/proc/$pid/status")"
same "no new privileges" 1 "$(awk '/^NoNewPrivs/ { print $2 }' "/proc/$pid/status")"
same "system calls are filtered" 2 "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")"
most=$(awk '/^Max open files/ { print $5 }' /proc/1/limits)
[ "$most" -lt 1048576 ] || most=1048576
same "files that it may open" "$most" "$(awk '/^Max open files/ { print $5 }' "/proc/$pid/limits")"
same "/etc/burgee" "2750 root:burgee" "$(mode /etc/burgee)"
same "the password file" "600 burgee:burgee" "$(mode /etc/burgee/users)"
same "/var/lib/burgee" "700 burgee:burgee" "$(mode /var/lib/burgee)"
same "the settings are a conffile" " /etc/burgee/burgee.toml" "$(dpkg-query -W -f '${Conffiles}' burgee | awk 'NF { print " " $1 }')"
holds "the settings can be used" burgee check config
holds "nothing is wrong with the machine" runuser -u burgee -- burgee doctor
holds "the broker says that it goes on" runuser -u burgee -- burgee doctor --running
holds "there is a manual page" [ -s /usr/share/man/man1/burgee-serve.1.gz ]
fails "no warning in the log" sh -c "journalctl -u burgee --no-pager -o cat | grep -E 'WARN|ERROR'"
systemd-analyze security burgee.service --no-pager | tail -n 1

step "Publish and subscribe"
holds "a session is made" burgee sub -t jobs -q 1 -i worker -c -E
holds "a message for it waits" burgee pub -t jobs -q 1 -m fence
holds "a value is retained" burgee pub -t door -q 1 -r -m open
same "the value comes" open "$(burgee sub -t door -C 1 -W 10)"

step "Users"
printf 'correct horse\n' | burgee passwd --stdin /etc/burgee/users ann || wrong "a user cannot be added"
same "the password file is still the service's" "600 burgee:burgee" "$(mode /etc/burgee/users)"
set_users
holds "reload" systemctl reload burgee
becomes "who gives no name is refused" not burgee pub -t door -m x
fails "a wrong password is refused" burgee pub -t door -m x -u ann -P wrong
same "the right one is not" open "$(as_ann sub -t door -C 1 -W 10)"
same "it is the same process" "$pid" "$(of_unit MainPID)"

step "Settings that are wrong"
cp -p /etc/burgee/burgee.toml /etc/burgee/good
printf '[limits]\nmax_conections = 5\n' >>/etc/burgee/burgee.toml
holds "reload" systemctl reload burgee
becomes "the log says what was meant" logged max_connections
fails "so does burgee reload" burgee reload --data /var/lib/burgee
same "it serves on" open "$(as_ann sub -t door -C 1 -W 10)"
same "it is the same process" "$pid" "$(of_unit MainPID)"
fails "a restart is refused" systemctl restart burgee
same "it is not tried again and again" failed "$(systemctl is-active burgee)"
mv /etc/burgee/good /etc/burgee/burgee.toml
holds "with good ones it starts" systemctl start burgee

step "A broker that dies"
pid=$(of_unit MainPID)
kill -KILL "$pid"
becomes "another one comes" other_than "$pid"
same "what was retained" open "$(as_ann sub -t door -C 1 -W 10)"

step "A broker that is stuck"
mkdir -p /run/systemd/system/burgee.service.d
printf '[Service]\nWatchdogSec=4s\n' >/run/systemd/system/burgee.service.d/soon.conf
systemctl daemon-reload
holds "restart, with a watchdog that looks sooner" systemctl restart burgee
pid=$(of_unit MainPID)
kill -STOP "$pid"
becomes "it stands still" grep -q '^State:.T' "/proc/$pid/status"
fails "it gives no sign of life" timeout 1 runuser -u burgee -- burgee doctor --running
becomes "the watchdog ends it, and another one comes" other_than "$pid"
holds "by the watchdog" sh -c "journalctl -u burgee --no-pager -o cat | grep -qi 'watchdog timeout'"
rm -r /run/systemd/system/burgee.service.d
systemctl daemon-reload

step "Upgrade"
pid=$(of_unit MainPID)
sum=$(sha256sum /etc/burgee/burgee.toml)
holds "dpkg upgrades it" dpkg -i /package/second.deb
same "the version" "$(dpkg-deb -f /package/second.deb Version)" "$(dpkg-query -W -f '${Version}' burgee)"
same "the service" active "$(systemctl is-active burgee)"
holds "it is a new process" [ "$pid" != "$(of_unit MainPID)" ]
same "changed settings stay" "$sum" "$(sha256sum /etc/burgee/burgee.toml)"
same "the message that waited" fence "$(as_ann sub -t jobs -q 1 -i worker -c -C 1 -W 10 || true)"
same "what was retained" open "$(as_ann sub -t door -C 1 -W 10)"

step "Ports below 1024"
cp /etc/burgee/burgee.toml /etc/burgee/good
printf '\n[[listener]]\nurl = "systemd:web"\n\n[[listener]]\nurl = "unix:///run/burgee/mqtt.sock"\n' >>/etc/burgee/burgee.toml
cp /usr/share/doc/burgee/examples/burgee.socket /etc/systemd/system/
systemctl daemon-reload
systemctl stop burgee
holds "systemd holds port 443" systemctl enable --now burgee.socket
holds "start" systemctl start burgee
same "a value by port 443" open "$(as_ann sub -p 443 -t door -C 1 -W 10)"
same "the socket's directory" "755 burgee:burgee" "$(mode /run/burgee)"
holds "a Unix socket" [ -S /run/burgee/mqtt.sock ]
systemctl disable --now burgee.socket burgee 2>/dev/null
rm /etc/systemd/system/burgee.socket
mkdir -p /etc/systemd/system/burgee.service.d
cp /usr/share/doc/burgee/examples/privileged-ports.conf /etc/systemd/system/burgee.service.d/
cp /etc/burgee/good /etc/burgee/burgee.toml
printf '\n[[listener]]\nurl = "tcp://127.0.0.1:883"\n' >>/etc/burgee/burgee.toml
systemctl daemon-reload
holds "with the capability" systemctl enable --now burgee
same "a value by port 883" open "$(as_ann sub -p 883 -t door -C 1 -W 10)"
rm -r /etc/systemd/system/burgee.service.d
mv /etc/burgee/good /etc/burgee/burgee.toml
systemctl daemon-reload
holds "restart without it" systemctl restart burgee

step "Remove"
holds "dpkg removes it" dpkg -r burgee
same "the service" inactive "$(systemctl is-active burgee)"
same "nobody listens" "" "$(listening)"
fails "the program is gone" [ -e /usr/bin/burgee ]
same "changed settings stay" "$sum" "$(sha256sum /etc/burgee/burgee.toml)"
fails "a probe would find nobody" [ -S /var/lib/burgee/control.sock ]
holds "so do users and data" [ -s /etc/burgee/users -a -e /var/lib/burgee/burgee.db ]
holds "dpkg installs it again" dpkg -i /package/second.deb
same "the service" active "$(systemctl is-active burgee)"
same "what was retained" open "$(as_ann sub -t door -C 1 -W 10)"

step "From Mosquitto"
mkdir -p /etc/mosquitto /var/lib/mosquitto
burgee init /etc/mosquitto/made --tls localhost >/dev/null || wrong "no certificate for the test"
cp /package/mosquitto.db /var/lib/mosquitto/
cp /etc/burgee/users /etc/mosquitto/passwd
printf 'user ann\ntopic readwrite #\n' >/etc/mosquitto/acl
cat >/etc/mosquitto/mosquitto.conf <<'CONF'
persistence true
persistence_location /var/lib/mosquitto/
password_file /etc/mosquitto/passwd
acl_file /etc/mosquitto/acl
allow_anonymous false
listener 1883 127.0.0.1
listener 8883
certfile /etc/mosquitto/made/tls/server.pem
keyfile /etc/mosquitto/made/tls/server.key
CONF
systemctl stop burgee
mv /etc/burgee/burgee.toml /etc/burgee/burgee.toml.package
holds "the settings" burgee import /etc/mosquitto/mosquitto.conf --out /etc/burgee
same "the passwords are for the service to read" "640 root:burgee" "$(mode /etc/burgee/passwords)"
rm -r /var/lib/burgee/*
holds "sessions and messages" burgee import /var/lib/mosquitto/mosquitto.db --data /var/lib/burgee
same "whose data it is" "600 burgee:burgee" "$(mode /var/lib/burgee/burgee.db)"
fails "the service cannot read the key of Mosquitto" runuser -u burgee -- burgee check config
install -o burgee -g burgee -m 600 /etc/mosquitto/made/tls/server.key /etc/burgee/server.key
sed -i 's|"/etc/mosquitto/made/tls/server.key"|"server.key"|' /etc/burgee/burgee.toml
holds "with one of its own it can" runuser -u burgee -- burgee check config
holds "start" systemctl start burgee
same "what Mosquitto had retained" "kept" "$(as_ann sub -t behind/kept -C 1 -W 10)"
same "where it listens" 3 "$(listening | wc -w)"

step "Purge"
holds "dpkg purges it" dpkg -P burgee
same "what was put there by hand stays" "acl burgee.toml.package passwords server.key " "$(ls /etc/burgee | tr '\n' ' ')"
rm -r /etc/burgee
same "nobody listens" "" "$(listening)"
same "what else is left" "" "$(ls -d /var/lib/burgee /run/burgee /usr/bin/burgee /usr/share/doc/burgee 2>/dev/null)"
same "links to the unit" "" "$(find /etc/systemd /var/lib/systemd -name '*burgee*' 2>/dev/null)"
same "files of its user" "" "$(find / -xdev -user burgee 2>/dev/null)"
holds "its user stays" getent passwd burgee

step "All is as it should be."
touch /package-test/passed
