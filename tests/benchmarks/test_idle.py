"""Idle connections stay open inside the block, each having made one request."""

import socketserver
import threading

from benchmarks.idle import IdleConnections
from benchmarks.processes import free_port


class Counting(socketserver.BaseRequestHandler):
    """Answers every request 200 and counts; the connection lives until its caller leaves."""

    requests = 0
    lock = threading.Lock()

    def handle(self) -> None:
        while self.request.recv(65536):
            with self.lock:
                type(self).requests += 1
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    request_queue_size = 64


def test_each_connection_makes_one_request_after_the_warm_ones() -> None:
    Counting.requests = 0
    with Server(("127.0.0.1", 0), Counting) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with IdleConnections(server.server_address[1]) as connections:
            connections.warm(5)
            connections.open(7)
            assert (Counting.requests, connections.errors) == (12, 0)
        server.shutdown()
        thread.join()


def test_connections_nobody_takes_are_errors() -> None:
    with IdleConnections(free_port()) as connections:
        connections.open(3)
        assert connections.errors == 3
