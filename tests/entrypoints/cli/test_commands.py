"""The command as a whole: its list, its help, its settings, and projects made from the terminal."""

import inspect
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.accounts.tokens import actor_of_token
from modelyard.domains.accounts.users import find_user, update_user
from modelyard.domains.namespaces.access import Role, role_in
from modelyard.domains.namespaces.projects import get_project
from modelyard.entrypoints.cli.main import COMMANDS, every_command
from modelyard.entrypoints.request import Installation
from modelyard.platform.settings import Settings, declarations
from tests.entrypoints.cli.conftest import Run


@pytest.fixture
def engine() -> str:
    """What these tests are about does not differ by engine, unless one asks for `both_engines`."""
    return "sqlite"


def test_the_list_of_commands_loads_none_of_them() -> None:
    program = (
        "import sys; sys.argv = ['modelyard', '--help']\n"
        "from modelyard.entrypoints.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print([m for m in sys.modules if m.split('.')[0] in ('sqlalchemy', 'numpy', 'uvicorn')])\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.rstrip().endswith("[]")
    assert all(name in said for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_sentence_in_the_list_is_the_first_of_the_help(name: str) -> None:
    command = every_command().commands[name]
    assert inspect.cleandoc(command.help).partition("\n")[0] == COMMANDS[name].sentence


def test_the_help_of_every_command_teaches_with_examples() -> None:
    for name, command in every_command().commands.items():
        for each in getattr(command, "commands", {"": command}).values():
            assert "Example" in each.help, f"{name} {each.name}"
            assert "modelyard " in each.help


def test_no_command_shows_the_list(run: Run) -> None:
    ended = run()
    assert "serve" in ended.out + ended.err


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version") == (0, f"modelyard {version('modelyard')}\n", "")


def test_an_unknown_command_is_refused_with_a_hint(run: Run) -> None:
    ended = run("sevre")
    assert ended.status == 2
    assert "serve" in ended.err


def test_every_setting_is_listed_with_its_sentence(run: Run) -> None:
    ended = run("settings")
    assert ended.status == 0
    for declared in declarations():
        assert declared.variable in ended.out
        assert declared.sentence in ended.out


def test_secrets_are_not_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_SECRET_KEY", "k" * 40)
    monkeypatch.setenv("MODELYARD_METRICS_TOKEN", "hunter2")
    monkeypatch.setenv("MODELYARD_DATABASE_URL", "postgresql://modelyard:hunter2@db/modelyard")
    table, listed = run("settings").out, run("settings", "--json").out
    for said in (table, listed):
        assert "hunter2" not in said
        assert "k" * 40 not in said
    assert json.loads(listed)["database_url"] == "postgresql://modelyard:***@db/modelyard"


def test_a_wrong_setting_is_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_PORT", "many")
    ended = run("settings")
    assert (ended.status, ended.err) == (1, "MODELYARD_PORT is a whole number, not 'many'.\n")


def test_a_directory_without_an_installation_is_said_to_have_none(run: Run, tmp_path: Path) -> None:
    for words in (("doctor",), ("admin", "list-users"), ("backup", str(tmp_path / "backup"))):
        ended = run(*words, "--data", str(tmp_path / "nothing"))
        assert ended.status == 1
        assert "There is no Modelyard in" in ended.err
    assert not (tmp_path / "nothing").exists()


def test_a_worker_on_sqlite_is_refused(run: Run) -> None:
    ended = run("worker")
    assert (ended.status, "server does the background tasks" in ended.err) == (1, True)


def test_migrating_twice_changes_nothing(run: Run, tmp_path: Path) -> None:
    assert run("migrate", "--data", str(tmp_path / "new")).out == "The database was migrated.\n"
    assert "newest schema already" in run("migrate", "--data", str(tmp_path / "new")).out
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "modelyard.sqlite3").stat().st_mode & 0o777 == 0o600


class TestBootstrap:
    """On both engines."""

    @pytest.fixture(params=["sqlite", "postgresql"])
    def engine(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_a_token_of_a_new_project_works(self, run: Run, installation: Installation) -> None:
        made = json.loads(run("bootstrap", "--project", "acme/research/churn", "--json").out)
        assert made["url"] == installation.settings.url
        assert made["tracking_uri"] == f"{made['url']}/api/v4/projects/{made['project_id']}/ml/mlflow"
        with installation.database.read() as session:
            actor = actor_of_token(session, installation.key, made["token"])
            project = get_project(session, actor, made["project_id"])
            assert project.full_path == "acme/research/churn"
            assert role_in(session, actor, project) is Role.MAINTAINER

    def test_a_second_time_makes_only_another_token(self, run: Run) -> None:
        first, second = (json.loads(run("bootstrap", "--project", "acme/churn", "--json").out) for _ in range(2))
        assert first["project_id"] == second["project_id"]
        assert first["token"] != second["token"]

    def test_without_an_administrator_root_is_made(self, run: Run) -> None:
        assert json.loads(run("bootstrap", "--project", "acme/churn", "--json").out)["administrator"] == "root"
        assert [line.split()[0] for line in run("admin", "list-users").out.splitlines()] == ["root"]

    def test_a_server_with_an_administrator_gets_no_other(self, run: Run) -> None:
        given = "correct battery, horse\n"
        run("admin", "create-user", "ada", "--administrator", "--password-stdin", given=given)
        run("admin", "create-user", "bob", "--password-stdin", given=given)
        assert json.loads(run("bootstrap", "--project", "acme/churn", "--json").out)["administrator"] == "ada"
        assert [line.split()[0] for line in run("admin", "list-users").out.splitlines()] == ["ada", "bob"]

    def test_only_an_active_administrator_acts_whatever_their_name(self, run: Run, installation: Installation) -> None:
        for username in ("root", "ada", "eve"):
            run("admin", "create-user", username, "--administrator", "--password-stdin", given="correct battery, horse")
        with installation.database.write() as session:
            for username in ("ada", "root"):
                user = find_user(session, SYSTEM, username)
                assert user is not None
                update_user(session, SYSTEM, user, is_administrator=username == "ada")
        made = json.loads(run("bootstrap", "--project", "acme/churn", "--json").out)
        assert made["administrator"] == "ada"
        for username in ("ada", "eve"):
            run("admin", "block", username)
        refused = run("bootstrap", "--project", "other/churn")
        assert (refused.status, refused.out) == (1, "")
        assert "no active administrator, and the name root is taken already" in refused.err
        assert "`modelyard admin create-user NAME --administrator`" in refused.err
        run("admin", "unblock", "eve")
        assert json.loads(run("bootstrap", "--project", "acme/churn", "--json").out)["administrator"] == "eve"

    @pytest.mark.parametrize("path", ["churn", "/churn", "acme/", "acme//churn"])
    def test_a_path_without_a_group_is_refused(self, run: Run, path: str) -> None:
        ended = run("bootstrap", "--project", path)
        assert (ended.status, "GROUP/NAME" in ended.err) == (1, True)

    def test_people_read_lines(self, run: Run, settings: Settings) -> None:
        said = run("bootstrap", "--project", "acme/churn").out
        assert f"url: {settings.url}" in said
        assert "token: myd_prj_" in said
