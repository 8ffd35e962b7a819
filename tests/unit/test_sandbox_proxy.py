"""The proxy hurts connections as it says, or the fault tests hurt nothing."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.proxy import TcpProxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(65_536):
                self.request.sendall(data)
        except ConnectionResetError:
            pass


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = False


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with TcpProxy(server.server_address[1]) as proxy:
                yield proxy
        finally:
            server.shutdown()
            thread.join()


def connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def echoed(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    received = b""
    while len(received) < len(data) and (part := client.recv(65_536)):
        received += part
    return received


def test_bytes_pass_unchanged(proxy: TcpProxy) -> None:
    data = bytes(range(256)) * 1000
    with connect(proxy) as client:
        assert echoed(client, data) == data
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert proxy.bytes_passed == 2 * len(data)


def test_latency_delays_both_directions(proxy: TcpProxy) -> None:
    proxy.behave(latency_s=0.1)
    with connect(proxy) as client:
        began = time.monotonic()
        assert echoed(client, b"x") == b"x"
        assert time.monotonic() - began >= 0.2


def test_bandwidth_is_bounded(proxy: TcpProxy) -> None:
    proxy.behave(bytes_per_s=20_000)
    with connect(proxy) as client:
        began = time.monotonic()
        assert echoed(client, b"x" * 4000) == b"x" * 4000
        assert time.monotonic() - began >= 0.2


def test_swallowed_bytes_never_arrive_and_healing_resets(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        assert echoed(client, b"before") == b"before"
        proxy.behave(swallow=True)
        client.sendall(b"lost")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        proxy.heal()
        client.settimeout(5)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with connect(proxy) as client:
        assert echoed(client, b"after") == b"after"


def test_reset_after_a_number_of_bytes(proxy: TcpProxy) -> None:
    proxy.behave(reset_after_bytes=10)
    with connect(proxy) as client, pytest.raises(ConnectionResetError):
        assert echoed(client, b"x" * 6) == b"never whole"
    assert proxy.bytes_passed == 10


def test_cut_resets_and_lets_new_connections_in(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        assert echoed(client, b"x") == b"x"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with connect(proxy) as client:
        assert echoed(client, b"x") == b"x"


def test_refuse_and_accept_on_the_same_port(proxy: TcpProxy) -> None:
    port = proxy.port
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.accept()
    assert proxy.port == port
    with connect(proxy) as client:
        assert echoed(client, b"x") == b"x"


def test_a_client_is_reset_when_nobody_listens_behind_the_proxy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed_port = unused.getsockname()[1]
    # The reset may come before the client has noticed that it was connected.
    with TcpProxy(closed_port) as proxy, pytest.raises(ConnectionResetError), connect(proxy) as client:
        client.recv(1)
