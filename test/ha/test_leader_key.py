#!/usr/bin/python3
"""A leader that is frozen just before it renews its key, and goes on when another one has the key, must
not take the key back. Patroni's own class does what Patroni does, by the API of etcd that
bin/ha_config.sh has chosen for this version. API=etcd3 tries the other one, which Patroni 3.0 fails."""

import contextlib
import logging
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../torture"))
from patroni.dcs import get_dcs
from patroni.version import __version__

import tap
from system import TOP, free_port, wait_until

TTL_S = 2
CONFIGURATION = """. "$1/bin/cluster.sh"; . "$1/bin/ha_config.sh"
ha_etcd=("etcd=127.0.0.1:$2:$3") ha_listen=127.0.0.1
etcd_section | sed -n 1p; etcd_words etcd "$4"
"""


def dcs(api, name, port):
    settings = {"hosts": [f"127.0.0.1:{port}"]}
    return get_dcs({"scope": "pg_wallet", "name": name, "ttl": TTL_S, "loop_wait": 1, "retry_timeout": 3, api: settings})


def leader_of(other):
    cluster = other.get_cluster()
    return cluster.leader.name if cluster.leader else None


def renew(first, cluster):
    """What a leader does that has just seen itself as the leader; False: it has to give up."""
    with contextlib.suppress(Exception):
        return first.update_leader(*([cluster] if int(__version__.split(".")[0]) >= 4 else []), 1)
    return False


def main():
    logging.disable()  # Patroni's: a refusal is what is expected
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        words = subprocess.run(
            ["bash", "-c", CONFIGURATION, "_", TOP, str(port), str(free_port()), folder + "/etcd"],
            check=True, capture_output=True, text=True,
        ).stdout.split()  # fmt: skip
        api = os.environ.get("API") or words[0].rstrip(":")
        with subprocess.Popen(words[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as etcd:
            try:
                first, other = dcs(api, "first", port), dcs(api, "other", port)
                tap.ok(wait_until(first.attempt_to_acquire_leader, 20, 0.2), f"the first leads, through {api} with Patroni {__version__}")
                cluster = first.get_cluster()
                tap.ok(wait_until(other.attempt_to_acquire_leader, 20, 0.2), "the other one leads when the key has expired")
                tap.ok(not renew(first, cluster), "the first is told that it has lost the key")
                tap.ok(leader_of(other) == "other", "and has not taken the key back", leader_of(other))
            finally:
                etcd.kill()
    tap.done()


main()
