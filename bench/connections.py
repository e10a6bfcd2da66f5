#!/usr/bin/python3
"""connections.py PORT COUNT: opens COUNT connections to 127.0.0.1, sends one request over each and
reads the answer, says "open", and keeps them idle until its standard input ends (at most 60 s)."""

import resource
import select
import socket
import sys

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
KEEP_S_MAX = 60


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.sendall(REQUEST)
        if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
            sys.exit("connections.py: a connection was refused")
        connections.append(connection)
    print("open", flush=True)
    select.select([sys.stdin], [], [], KEEP_S_MAX)


main()
