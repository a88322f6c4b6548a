#!/bin/sh
# Run once by the Postgres image, on an empty data directory: the roles and databases of Temporal and of eucora.
# eucora_owner owns the database and its tables and runs the migrations; eucora_app owns nothing.
set -eu

role() { # name, secret: psql quotes the password itself
  psql --set ON_ERROR_STOP=1 --username postgres --set name="$1" --set password="$(cat "/run/secrets/$2")" <<'SQL'
CREATE ROLE :"name" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
SQL
}

database() { # name, owner
  psql --set ON_ERROR_STOP=1 --username postgres --set name="$1" --set owner="$2" <<'SQL'
CREATE DATABASE :"name" OWNER :"owner";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

role temporal temporal_password
role eucora_owner owner_password
role eucora_app app_password
database temporal temporal
database temporal_visibility temporal
database eucora eucora_owner
psql --set ON_ERROR_STOP=1 --username postgres --command 'GRANT CONNECT ON DATABASE eucora TO eucora_app'
