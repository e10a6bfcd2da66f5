#!/bin/bash
# alerts.sh: promtool reads deploy/alerts.yml, and each alert in it fires in test/unit/alerts.yml; none does while all is
# well. promtool reads every expression of deploy/grafana-dashboard.json, whose panels are as Grafana wants them.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
cd "$TOP"
command -v promtool >/dev/null || { echo '1..0 # SKIP needs promtool' && exit; }

rules=$(mktemp -d /tmp/pg_wallet_alerts.XXXXXX)
trap 'rm -rf "$rules"' EXIT
ok 'promtool takes the alerts' promtool check rules deploy/alerts.yml
ok 'each fires when it shall, and not else' promtool test rules test/unit/alerts.yml
is 'each alert has a test' "$(sed -nE 's/^ +- alert: //p' deploy/alerts.yml | sort)" \
    "$(sed -nE 's/^  - name: (Wallet.*)/\1/p' test/unit/alerts.yml | sort)"
is 'each has a severity and a summary' "$(grep -cE '^ +(labels: \{ severity: (critical|warning) \}|summary: [A-Z{].*\.)$' deploy/alerts.yml)" \
    "$((2 * $(grep -c 'alert:' deploy/alerts.yml)))"
# shellcheck disable=SC2016 # no command
is 'the manual has each' "$(sed -nE 's/^\| `(Wallet[A-Za-z]+)` .*/\1/p' docs/operations.md | sort)" \
    "$(sed -nE 's/^ +- alert: //p' deploy/alerts.yml | sort)"
ok 'the dashboard is as Grafana wants it' python3 - "$rules/dashboard.yml" <<'END'
import json
import sys

board = json.load(open("deploy/grafana-dashboard.json"))
assert board["title"] and board["uid"] and isinstance(board["schemaVersion"], int)
variables = {variable["name"]: variable["type"] for variable in board["templating"]["list"]}
assert variables == {"datasource": "datasource", "instance": "query"}, variables
taken, ids, expressions = {}, set(), []
for panel in board["panels"]:
    title = panel["title"]
    assert panel["type"] in ("stat", "timeseries") and panel["id"] not in ids, title
    ids.add(panel["id"])
    place = panel["gridPos"]
    assert place["x"] + place["w"] <= 24, title
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            assert (x, y) not in taken, f"{title} lies upon {taken.get((x, y))}"
            taken[x, y] = title
    assert panel["fieldConfig"]["defaults"]["unit"] and panel["targets"], title
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]), title
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, title
        expressions.append(target["expr"])
assert len(taken) == 24 * (1 + max(y for x, y in taken)), "there is a hole"
with open(sys.argv[1], "w") as rules:
    rules.write("groups: [{name: dashboard, rules: [\n")
    for number, expression in enumerate(expressions):
        expression = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
        rules.write(json.dumps({"record": f"panel:{number}", "expr": expression}) + ",\n")
    rules.write("]}]\n")
END
ok 'promtool takes its expressions' promtool check rules "$rules/dashboard.yml"
ok 'and the configuration' bash -c "sed -E 's|/etc/prometheus/pg_wallet_alerts.yml|$TOP/deploy/alerts.yml|; s|/etc/prometheus/pg_wallet_token|/dev/null|' deploy/prometheus.yml >'$rules/prometheus.yml' && promtool check config '$rules/prometheus.yml'"
done_testing
