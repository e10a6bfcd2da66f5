"""system.py: a database and a shim of the test's own, made by bin/run.sh as a user makes them, and
what it takes to hurt them and to bring them back."""

import os
import pathlib
import shlex
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pq

TOP = pathlib.Path(__file__).resolve().parents[2]


def wait_until(condition, seconds, step=0.01):
    """True as soon as the condition is."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


def ended(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def children(pid):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            if stat.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(stat.parent.name))
        except OSError:
            pass
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class System:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._environment = {**os.environ, "RUN_DIR": str(folder), "PORT": str(free_port())}

    def start(self):
        self._run("start")
        settings = dict(word.split("=", 1) for word in shlex.split((self.folder / "env").read_text()) if "=" in word)
        self.url, self.socket = settings["WALLET_URL"], settings["PGHOST"]
        self.conninfo = f"host={self.socket} user=postgres dbname=wallet application_name="
        shim = pathlib.Path(f"/proc/{self.pid('shim')}")
        self._shim_words = shim.joinpath("cmdline").read_bytes().split(b"\0")[:-1]
        self._shim_environment = dict(word.split(b"=", 1) for word in shim.joinpath("environ").read_bytes().split(b"\0")[:-1])

    def stop(self):
        self._run("stop")

    def _run(self, word):
        subprocess.run(["bash", TOP / "bin/run.sh", word], env=self._environment, check=True, timeout=120, stdin=subprocess.DEVNULL)

    def connect(self, name="torture", seconds=5):
        return pq.Connection(self.conninfo + name, seconds)

    def pid(self, name):
        """Of postgres, which is the postmaster, or shim."""
        return int((self.folder / f"{name}.pid").read_text())

    def start_server(self):
        """As bin/run.sh does it, but without a look at the shim."""
        places = [self.folder / "data", self.socket, self.folder / "log/postgres.log", self.folder / "postgres.pid"]
        subprocess.run(
            ["bash", "-c", '. "$1"; find_server; cluster_start "${@:2}"', "_", TOP / "bin/cluster.sh", *places],
            env=self._environment, check=True, timeout=120,
        )  # fmt: skip

    def stop_server(self, how):
        """SIGINT is a fast shutdown, SIGQUIT an immediate one, SIGKILL none: then those that it has
        left end by themselves, and no server starts before."""
        pid = self.pid("postgres")
        family = [pid, *children(pid)]
        os.kill(pid, how)
        if not wait_until(lambda: all(map(ended, family)), 60):
            raise RuntimeError(f"the server has not ended on {signal.Signals(how).name}")

    def kill_shim(self):
        pid = self.pid("shim")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: ended(pid), 10)

    def start_shim(self):
        """With the very words and environment of the first one."""
        with open(self.folder / "log/shim.log", "ab") as log:
            shim = subprocess.Popen(
                self._shim_words, env=self._shim_environment, cwd="/", stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        (self.folder / "shim.pid").write_text(f"{shim.pid}\n")

    def shim_is_ready(self):
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=12):
                return True
        except (OSError, urllib.error.URLError):
            return False

    def log(self):
        return (self.folder / "log/postgres.log").read_text(errors="replace")
