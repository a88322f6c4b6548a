#!/bin/sh
# Draw every password and key the compose file mounts, into deploy/secrets/. What exists is kept.
# The folder is closed to other accounts of this host; the files in it are readable, because the services that read them
# run as accounts of their own.
set -eu
cd "$(dirname "$0")"
umask 022
mkdir -p secrets
chmod 700 secrets

keep() { # file, command...: the command's output, whole or not at all
  file="secrets/$1"
  shift
  if [ ! -s "$file" ]; then
    "$@" > "$file.part"
    mv "$file.part" "$file"
  fi
}

url() { # role, password file
  printf 'postgresql://%s:%s@postgres:5432/eucora' "$1" "$(cat "secrets/$2")"
}

password() { # hexadecimal: safe in a URL as it is
  openssl rand -hex 32 | tr -d '\n'
}

for name in postgres temporal owner app; do
  keep "${name}_password" password
done
keep database_url url eucora_app app_password
keep eucora_database_owner_url url eucora_owner owner_password
keep claims.pem openssl genpkey -algorithm ed25519

if [ ! -s secrets/eucora_entra_client_secret ]; then
  echo "Write the client secret of the Entra ID application to deploy/secrets/eucora_entra_client_secret" >&2
  exit 1
fi
