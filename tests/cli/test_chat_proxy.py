"""`sseparse chat` uses the proxy that the environment sets."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from proxies import ProxyServer
from sseparse.cli import main
from sseparse.testing import Replay, ReplayServer

from .conftest import Body, Chat


@pytest.fixture
def proxy() -> Iterator[ProxyServer]:
    with ProxyServer() as server:
        yield server


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", "me:s3cret@", ""])
def test_plain_requests(  # noqa: PLR0917 - fixtures
    chat: Chat,
    body: Body,
    proxy: ProxyServer,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    scheme: str,
) -> None:
    """A request to http goes to the proxy of HTTP_PROXY or ALL_PROXY, with or without a scheme."""
    monkeypatch.setenv(name, f"{scheme}{proxy.address}")
    with ReplayServer(body({"content": "Hi"})) as server:
        assert chat(server, "hi")[:2] == (0, "Hi\n")
        assert len(server.requests) == 1
    assert proxy.heads[0].startswith(f"POST {server.url}/v1/chat/completions HTTP/1.1")
    assert ("Proxy-Authorization" in proxy.heads[0]) == ("@" in scheme)


def test_tunnels(
    chat: Chat, body: Body, proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A request to https goes through a tunnel of the proxy of HTTPS_PROXY."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with ReplayServer(body({"content": "Hi"}), ssl_context=context) as server:
        assert chat(server, "hi")[:2] == (0, "Hi\n")
    assert proxy.heads[0].startswith(f"CONNECT {server.url.removeprefix('https://')} HTTP/1.1")


@pytest.mark.parametrize("hosts", ["127.0.0.1", "*", "a.example, 127.0.0.1:{port}"])
def test_hosts_without_a_proxy(
    chat: Chat, body: Body, monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    """NO_PROXY lists hosts that are connected to directly."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with ReplayServer(body({"content": "Hi"})) as server:
        monkeypatch.setenv("NO_PROXY", hosts.format(port=server.url.rpartition(":")[2]))
        assert chat(server, "hi")[:2] == (0, "Hi\n")


def test_refusals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal is reported as the proxy's, without its password, and with what sets the proxy."""
    with ProxyServer(b"HTTP/1.1 407 x\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:s3cret@{proxy.address}")
        assert main(["chat", "--base-url", "https://api.example/v1", "hi"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert f"The proxy {proxy.address} refused the connection to api.example:443: HTTP 407" in err
    assert "check the user name and password" in err
    assert "HTTPS_PROXY" in err
    assert "s3cret" not in err


def test_unreachable_proxies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], proxy: ProxyServer
) -> None:
    """The report of a failed connection, or of an error of the server, names the proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://me:s3cret@127.0.0.1:1")
    assert main(["chat", "--base-url", "http://api.example/v1", "hi"]) == 2
    err = capsys.readouterr().err
    assert "no response from api.example (through the proxy 127.0.0.1:1): " in err
    assert "NO_PROXY lists hosts" in err
    assert "s3cret" not in err

    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    with ReplayServer(Replay(b"no", status=502)) as server:
        main(["chat", "--base-url", server.url, "hi"])
    assert f"(through the proxy {proxy.address}): " in capsys.readouterr().err


def test_other_proxies(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A proxy that isn't supported is an error that names its variable, without its password."""
    monkeypatch.setenv("all_proxy", "socks5://me:s3cret@127.0.0.1:1")
    assert main(["chat", "--base-url", "http://api.example/v1", "hi"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("sseparse: ALL_PROXY: proxy has the scheme 'socks5'; give http://host")
    assert "s3cret" not in err
