#!/usr/bin/env bash
# Makes what compose.yaml takes as secrets: passwords, and a certificate authority with a certificate for the server
# `nats`. What is there already stays as it is, so it is safe to run again.
#
#   deploy/make-secrets.sh [FOLDER]      default: secrets beside this script
#
# The folder is for its owner only; the files in it can be read by any user, for containers run as another one.
set -euo pipefail
folder=${1:-$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)/secrets}
mkdir -p -- "$folder"
chmod 0700 -- "$folder"
cd -- "$folder"

command -v openssl >/dev/null || {
    echo "make-secrets: openssl is missing: sudo apt-get install openssl" >&2
    exit 1
}

# A letter first: nats.conf reads a value that starts with a digit as a number.
password() { printf 'p%s' "$(openssl rand -hex 20)"; }

readonly users=(system scheduler fetcher validator alert-router notifier recorder api operator integrator)
[ -s postgres ] || password >postgres
for user in "${users[@]}"; do
    [ -s "nats-$user" ] || password >"nats-$user"
done
rm -f -- nats.env
for user in "${users[@]}"; do
    name=${user//-/_}
    printf 'OTTWATCH_NATS_PASSWORD_%s=%s\n' "${name^^}" "$(cat "nats-$user")"
done >nats.env

if [ ! -s nats-cert ]; then
    work=$(mktemp -d)
    trap 'rm -rf -- "$work"' EXIT
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=ottwatch bus authority' \
        -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
        -keyout "$work/ca-key" -out "$work/ca" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=nats' \
        -keyout "$work/key" -out "$work/request" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    printf '%s\n' 'basicConstraints=critical,CA:FALSE' 'extendedKeyUsage=serverAuth' \
        'subjectAltName=DNS:nats,DNS:localhost,IP:127.0.0.1' >"$work/extensions"
    openssl x509 -req -in "$work/request" -CA "$work/ca" -CAkey "$work/ca-key" -CAcreateserial -days 825 \
        -extfile "$work/extensions" -out "$work/cert" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    # The authority's key is dropped: another certificate means another authority.
    cp -- "$work/ca" nats-ca
    cp -- "$work/key" nats-key
    cp -- "$work/cert" nats-cert
fi
chmod 0444 -- *
chmod 0400 -- nats.env
echo "make-secrets: $folder"
