"""servers.py: the six servers of bin/ha.sh, and what it takes to hurt them: to kill, to freeze, to cut
the network between two of them. As root each server has a network namespace of its own, and this
process enters the one that reaches all of them."""

import contextlib
import ctypes
import os
import pathlib
import re
import shlex
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pq
from system import children, ended, free_port, wait_until

TOP = pathlib.Path(__file__).resolve().parents[2]
NODES = ("etcd", "db1", "db2", "haproxy", "shim1", "shim2")
OTHER = {"db1": "db2", "db2": "db1"}
WHOLE_S_MAX = 180


def enter_network(name):
    with open(f"/run/netns/{name}", encoding="ascii") as netns:
        if ctypes.CDLL(None, use_errno=True).setns(netns.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {name}")


class Servers:
    def __init__(self, folder, apart):
        """apart: in network namespaces."""
        self.folder, self.port = pathlib.Path(folder), free_run_of_ports()
        self.netns = f"wallet-{self.port}" if apart else None
        self._environment = {**os.environ, "RUN_DIR": str(folder), "PORT": str(self.port)} | ({"HA_NETNS": "1"} if apart else {})

    def start(self):
        self.run("start")
        settings = dict(word.split("=", 1) for word in shlex.split((self.folder / "env").read_text()) if "=" in word)
        self.url, self._socket = settings["WALLET_URL"], settings["PGHOST"].split(",")[0]
        self.conninfo = (
            f"host={settings['PGHOST']} port={settings['PGPORT']} target_session_attrs=read-write"
            " user=postgres dbname=wallet application_name="
        )
        if self.netns:
            enter_network(self.netns)

    def stop(self):
        self.run("stop")

    def run(self, *words):
        subprocess.run(["bash", TOP / "bin/ha.sh", *words], env=self._environment, check=True, timeout=300, stdin=subprocess.DEVNULL)

    def connect(self, node=None):
        """To a database, or to the one that leads."""
        here = f"host={self._socket} port={self.port + 3 + ('db1', 'db2').index(node)} user=postgres dbname=wallet" if node else self.conninfo
        return pq.Connection(here + ("" if node else "test"), 5)

    def ttl(self):
        """For how many seconds whoever leads has the leader key without renewing it."""
        return int(re.search(r"^ +ttl: (\d+)$", (self.folder / "db1/patroni.yml").read_text(), re.MULTILINE)[1])

    # --- who is who

    def address(self, node):
        return f"10.213.7.{NODES.index(node) + 1}" if self.netns else "127.0.0.1"

    def answers(self, url):
        """Is the answer 200?"""
        try:
            with urllib.request.urlopen(url, timeout=3):
                return True
        except (OSError, urllib.error.URLError):
            return False

    def is_in_role(self, node, role):
        return self.answers(f"http://{self.address(node)}:{self.port + 5 + ('db1', 'db2').index(node)}/{role}")

    def leader(self):
        return next((node for node in ("db1", "db2") if self.is_in_role(node, "primary")), None)

    def standby(self):
        return OTHER.get(self.leader())

    def lacking(self):
        """What is waited for until one leads, the other one has all that is acknowledged, and the shims answer; or None."""
        leader = self.leader()
        if not leader:
            return "a leader"
        if not self.is_in_role(OTHER[leader], "sync"):
            return f"{OTHER[leader]} as a synchronous standby"
        ready = {"haproxy": self.url, **{shim: f"http://{self.address(shim)}:{self.port + 7 + i}" for i, shim in enumerate(("shim1", "shim2"))}}
        return next((f"/readyz of {name}" for name, url in ready.items() if not self.answers(url + "/readyz")), None)

    def await_whole(self):
        if not wait_until(lambda: self.lacking() is None, WHOLE_S_MAX, 0.2):
            self.run("report")
            raise RuntimeError(f"after {WHOLE_S_MAX} s this lacks: {self.lacking()}")

    def workers(self):
        """How many workers each database has."""
        found = []
        for node in ("db1", "db2"):
            connection = self.connect(node)
            ((count,),) = connection.query("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_wallet worker%'")
            connection.close()
            found.append(int(count))
        return found

    # --- processes

    def pid(self, name):
        return int((self.folder / "pids" / name).read_text())

    def postgres(self, node):
        """The postmaster and all of its processes."""
        try:
            pid = int((self.folder / node / "data/postmaster.pid").read_text().split("\n")[0])
        except (OSError, ValueError):
            return []
        return [pid, *children(pid)]

    def processes(self, what):
        """what: a node, or `postgres of NODE`, `patroni of NODE`, `both of NODE`."""
        part, _, node = what.rpartition(" of ")
        if not node.startswith("db"):
            return [self.pid(node)]
        return ([self.pid(node)] if part != "postgres" else []) + (self.postgres(node) if part != "patroni" else [])

    def kill(self, what):
        pids = self.processes(what)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: all(map(ended, pids)), 10)

    @contextlib.contextmanager
    def lost(self, node):
        """Killed, and not started again for the time being: as if the machine were gone."""
        keeper = self.pid(f"{node}.keeper")
        os.kill(keeper, signal.SIGSTOP)
        self.kill(f"both of {node}")
        yield
        os.kill(keeper, signal.SIGCONT)

    @contextlib.contextmanager
    def frozen(self, what):
        """Also what the stopped ones have started just before."""
        stopped = []
        for _ in range(2):
            for pid in self.processes(what):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    stopped.append(pid)
        yield
        for pid in set(stopped):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def cut(self, one, other):
        """The bridge carries nothing between two ports that are isolated."""
        for node in (one, other):
            subprocess.run(["bridge", "link", "set", "dev", node, "isolated", "on"], check=True)
        yield
        for node in (one, other):
            subprocess.run(["bridge", "link", "set", "dev", node, "isolated", "off"], check=True)


def free_run_of_ports():
    """The first of eleven."""
    while True:
        first = free_port()
        if first < 65000 and not any(port_taken(first + i) for i in range(11)):
            return first


def port_taken(port):
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
