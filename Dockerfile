# A static burgee in an image that holds nothing else. See docs/install.md.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends musl-tools ca-certificates \
 && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p burgee --target "$(uname -m)-unknown-linux-musl" --target-dir /target \
 && mkdir -p /image/usr/bin /image/etc/ssl/certs /image/etc/burgee /image/var/lib/burgee \
 && strip -o /image/usr/bin/burgee "/target/$(uname -m)-unknown-linux-musl/release/burgee" \
 && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && printf 'burgee:x:65532:65532:burgee:/var/lib/burgee:/sbin/nologin\n' >/image/etc/passwd \
 && printf 'burgee:x:65532:\n' >/image/etc/group \
 && chown 65532:65532 /image/var/lib/burgee && chmod 700 /image/var/lib/burgee

FROM scratch
COPY --from=build /image/ /
USER 65532:65532
# Wherever a settings file says that data lie: here they are on a volume.
ENV BURGEE_DATA=/var/lib/burgee
VOLUME /var/lib/burgee
EXPOSE 1883 8883
ENTRYPOINT ["/usr/bin/burgee"]
CMD ["serve"]
# Without --start-interval, which Docker before 25 and Podman before 5 refuse.
HEALTHCHECK --interval=10s --timeout=15s --start-period=5m \
  CMD ["/usr/bin/burgee", "doctor", "--running"]
