"""The fixture `replay_server`, in a run of pytest of its own."""

import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
BODY = 'b"data: [DONE]\\n\\n"'


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Install the entry point as the project declares it, and return the folder of a run."""
    info = pytester.mkdir("sseparse_plugin-1.0.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sseparse-plugin\nVersion: 1.0\n")
    plugins = PROJECT["entry-points"]["pytest11"]
    lines = (f"{name} = {module}\n" for name, module in plugins.items())
    (info / "entry_points.txt").write_text(f"[pytest11]\n{''.join(lines)}")
    # Loading the plugins of all other packages would take most of the time.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p sseparse -p no:cacheprovider")
    return pytester


def test_servers(run: pytest.Pytester) -> None:
    """The fixture starts any number of servers, and closes them also if the test fails."""
    run.makepyfile(f"""
        import socket
        from urllib.parse import urlsplit
        from sseparse.testing import Replay

        addresses = []

        def connect(address):
            socket.create_connection(address, 30).close()

        def test_listening(replay_server):
            for server in (replay_server({BODY}), replay_server(Replay({BODY}), idle_timeout=30)):
                parts = urlsplit(server.url)
                addresses.append((parts.hostname, parts.port))
                connect(addresses[-1])
            assert len(set(addresses)) == 2
            replay_server("text")

        def test_closed():
            for address in addresses:
                try:
                    connect(address)
                except OSError:
                    continue
                raise AssertionError("the server listens still")
    """)
    result = run.runpytest_subprocess()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*TypeError: replay is str; give bytes or a Replay"])


def test_other_runs(run: pytest.Pytester) -> None:
    """A run that doesn't use the fixture loads no other module of sseparse, and no dependency."""
    run.makepyfile("""
        import sys

        def test_modules():
            loaded = {name for name in sys.modules if name.partition(".")[0] == "sseparse"}
            assert loaded == {"sseparse", "sseparse._lazy", "sseparse._pytest_plugin"}
            assert not {"msgspec", "h11"} & set(sys.modules)
    """)
    run.runpytest_subprocess().assert_outcomes(passed=1)
