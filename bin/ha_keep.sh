#!/bin/bash
# ha_keep.sh PIDFILE CMD...: runs CMD, and again a second after CMD has ended, as systemd's
# Restart=always does. On SIGTERM it ends CMD and itself. PIDFILE has the id of CMD's process.
child='' ending=''
trap 'ending=1; kill -TERM "$child"' TERM
until [[ $ending ]]; do
    "${@:2}" &
    child=$!
    echo "$child" >"$1"
    # A signal that has a trap ends the wait.
    while kill -0 "$child" 2>/dev/null; do wait "$child"; done
    [[ $ending ]] || sleep 1
done
