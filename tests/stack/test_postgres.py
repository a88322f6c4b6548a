"""The embedded Postgres: roles that own nothing they should not, a password on every connection, data that survives."""

import importlib.util
from pathlib import Path

import psycopg
import pytest

from eucora.stack.errors import NotInstalled, ServiceFailed
from eucora.stack.ports import LOOPBACK, choose
from eucora.stack.postgres import ADMIN, APP, OWNER, Postgres, locate_postgres
from eucora.stack.processes import Processes

pytestmark = pytest.mark.stack


@pytest.fixture
def empty_database(postgres: Postgres) -> str:
    """A database with our roles and no migration; dropped with the run's server."""
    name = "roles"
    postgres.drop_database(name)
    postgres.ensure_database(name)
    return name


def test_the_application_role_owns_nothing_and_can_make_nothing(postgres: Postgres, empty_database: str) -> None:
    with (
        psycopg.connect(postgres.url(APP, empty_database)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("CREATE TABLE mine (id int)")


def test_the_owner_makes_tables_and_the_application_needs_a_grant(postgres: Postgres, empty_database: str) -> None:
    with psycopg.connect(postgres.url(OWNER, empty_database), autocommit=True) as owner:
        owner.execute("CREATE TABLE fact (id int)")
        with (
            psycopg.connect(postgres.url(APP, empty_database), autocommit=True) as app,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            app.execute("SELECT * FROM fact")
        owner.execute(f"GRANT SELECT ON fact TO {APP}")
    with psycopg.connect(postgres.url(APP, empty_database), autocommit=True) as app:
        assert app.execute("SELECT count(*) FROM fact").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("TRUNCATE fact")


def test_neither_role_is_privileged(postgres: Postgres) -> None:
    with postgres.connect() as connection:
        rows = connection.execute(
            "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = ANY(%s)",
            [[OWNER, APP]],
        ).fetchall()
    assert sorted(rows) == [(APP, False, False, False), (OWNER, False, False, False)]


@pytest.mark.parametrize("role", [ADMIN, OWNER, APP])
def test_a_wrong_password_is_refused(postgres: Postgres, role: str) -> None:
    url = f"postgresql://{role}:wrong@{LOOPBACK}:{postgres.port}/postgres"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_another_database_is_closed_to_the_application(postgres: Postgres) -> None:
    postgres.ensure_database("closed")
    with postgres.connect() as connection:
        connection.execute(f"REVOKE CONNECT ON DATABASE closed FROM {APP}")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(postgres.url(APP, "closed"))


def test_a_copy_of_a_template_has_its_tables_and_grants(postgres: Postgres, empty_database: str) -> None:
    with psycopg.connect(postgres.url(OWNER, empty_database), autocommit=True) as owner:
        owner.execute("CREATE TABLE fact (id int)")
        owner.execute(f"GRANT SELECT ON fact TO {APP}")
    postgres.drop_database("copied")
    postgres.ensure_database("copied", template=empty_database)
    with psycopg.connect(postgres.url(APP, "copied")) as app:
        assert app.execute("SELECT count(*) FROM fact").fetchone() == (0,)


def test_the_server_listens_on_loopback_only(postgres: Postgres) -> None:
    with postgres.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == (LOOPBACK,)
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)


def test_what_was_committed_survives_a_kill(processes: Processes, tmp_path: Path) -> None:
    port = choose({"postgres": 0}, say=lambda _message: None)["postgres"]
    server = Postgres(folder=tmp_path / "pg", secrets_folder=tmp_path / "keys", log=tmp_path / "log", port=port)
    child = server.wait(processes, server.start(processes))
    server.ensure_roles()
    server.ensure_database()
    with psycopg.connect(server.url(OWNER), autocommit=True) as owner:
        owner.execute("CREATE TABLE kept (id int)")
        owner.execute("INSERT INTO kept VALUES (42)")
        child.kill()
    child = server.wait(processes, server.start(processes))
    with psycopg.connect(server.url(OWNER)) as owner:
        assert owner.execute("SELECT id FROM kept").fetchone() == (42,)
    child.end(grace=10)
    assert child.process.returncode == 0
    assert "database system is shut down" in (tmp_path / "log").read_text()
    assert not list(server.folder.glob("password.*"))


def test_an_initdb_that_was_interrupted_starts_over(processes: Processes, tmp_path: Path) -> None:
    port = choose({"postgres": 0}, say=lambda _message: None)["postgres"]
    server = Postgres(
        folder=tmp_path / "pg", secrets_folder=tmp_path / "keys", log=tmp_path / "log", port=port, volatile=True
    )
    server.data.mkdir(parents=True)
    (server.data / "half").write_text("made")
    server.wait(processes, server.start(processes))
    assert not (server.data / "half").exists()


def test_a_server_that_cannot_start_says_why(postgres: Postgres, processes: Processes, tmp_path: Path) -> None:
    server = Postgres(
        folder=tmp_path, secrets_folder=tmp_path / "keys", log=tmp_path / "log", port=postgres.port, volatile=True
    )
    with pytest.raises(ServiceFailed, match="Address already in use"):
        server.wait(processes, server.start(processes))


def test_a_machine_without_postgres_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert (locate_postgres() / "initdb").exists()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="make setup"):
        locate_postgres()
