#!/bin/bash
# tools.sh DIR: installs the tools of these tests into DIR, in the versions of the lock files: node_modules
# from npm, and venv from PyPI. Nothing is run while they are installed, and nothing is left elsewhere
# but in the caches of npm and pip. Prints what they say. Exit status 3: a registry cannot be reached.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${1:?usage: tools.sh DIR}
away='E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|HOSTUNREACH|NETUNREACH|NOTCACHED|5[0-9][0-9]\b)|SOCKET_TIMEOUT'
away+='|FETCH_ERROR|SELF_SIGNED_CERT|UNABLE_TO_(GET|VERIFY)|Max retries exceeded|NewConnectionError'
away+='|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Connection (refused|aborted|reset)'
away+='|unreachable|Temporary failure in name resolution'

mkdir -p "$dir" && cd "$dir" || exit 1
cp "$here"/package.json "$here"/package-lock.json .
npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --no-update-notifier --fetch-retries=1 \
    --fetch-timeout=60000 >log.npm 2>&1 &
npm=$!
{
    python3 -m venv venv &&
        venv/bin/pip install --disable-pip-version-check --no-input --retries 1 --timeout 30 \
            --only-binary :all: --require-hashes -r "$here/requirements.txt"
} >log.pip 2>&1
status=$?
wait "$npm" || status=1
cat log.npm log.pip
((status == 0)) && exit 0
! grep -qE "$away" log.npm log.pip || exit 3
exit 1
