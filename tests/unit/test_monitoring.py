"""monitoring/: Prometheus' own tool reads the rules and runs their tests; every metric that is asked for exists."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.programs import find_program
from watcher.errors import NOT_RESTARTED, ExitCode

pytestmark = pytest.mark.one_python  # Prometheus' own tools

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"
RUNBOOKS = ROOT / "docs" / "runbooks"

RULES_TEXT = (MONITORING / "alerts.yml").read_text(encoding="utf-8")
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load(RULES_TEXT)["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
NAMES = sorted({rule["alert"] for rule in ALERTS})
RECORDED = {rule["record"] for rule in RULES if "record" in rule}

DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES = sorted({target["expr"] for panel in PANELS for target in panel.get("targets", ())})

METRIC = re.compile(r"\bwatcher[_:][a-zA-Z0-9_:]+")
HISTOGRAM_PARTS = re.compile(r"_(?:bucket|sum|count)$")
DOCUMENTED = re.compile(r"^\| `(watcher_[a-z_]+)", re.MULTILINE)


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [find_program("promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def documented_metrics() -> set[str]:
    """The names in the tables of docs/metrics.md, which another test holds to the code."""
    return set(DOCUMENTED.findall((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")))


def metrics_in(expression: str) -> Iterator[str]:
    """The metrics that an expression asks for; of a histogram its own name, of what rules record nothing."""
    for name in METRIC.findall(re.sub(r'"[^"]*"', '""', expression)):
        if name not in RECORDED:
            yield HISTOGRAM_PARTS.sub("", name)


def in_prometheus(query: str) -> str:
    """A query of the dashboard as Grafana would send it."""
    return query.replace("$__rate_interval", "1m").replace("$watcher", ".*")


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    done = promtool("check", "config", MONITORING / "prometheus.yml")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"SUCCESS: {len(RULES)} rules found" in done.stdout


def test_prometheus_takes_the_configuration_with_a_token(tmp_path: Path) -> None:
    text = (MONITORING / "prometheus.yml").read_text(encoding="utf-8")
    with_token = re.sub(r"^( +)# (scheme|authorization| +credentials_file)(:.*)$", r"\1\2\3", text, flags=re.MULTILINE)
    token = tmp_path / "token"
    token.write_text("secret")
    with_token = with_token.replace("/etc/prometheus/database-watcher.token", str(token))
    (tmp_path / "prometheus.yml").write_text(with_token, encoding="utf-8")
    (tmp_path / "alerts.yml").write_text(RULES_TEXT, encoding="utf-8")
    (job,) = yaml.safe_load(with_token)["scrape_configs"]
    assert job["authorization"] == {"credentials_file": str(token)}
    done = promtool("check", "config", tmp_path / "prometheus.yml")
    assert (done.returncode, done.stderr) == (0, "")


def test_alerts_pass_their_tests() -> None:
    done = promtool("test", "rules", MONITORING / "alerts.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("expression", ["vector(1) == 0", "vector(1)"], ids=["never", "always"])
def test_the_tests_find_each_alert_that_fires_never_or_always(expression: str, tmp_path: Path) -> None:
    rules = yaml.safe_load(RULES_TEXT)
    for rule in rules["groups"][0]["rules"]:
        rule["expr"] = expression
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    (tmp_path / "alerts.test.yml").write_bytes((MONITORING / "alerts.test.yml").read_bytes())
    done = promtool("test", "rules", tmp_path / "alerts.test.yml")
    assert done.returncode != 0
    failed = re.findall(r"alertname: (\w+), time: .+, \n +exp:(\[\]|\[)", done.stdout + done.stderr)
    wanted = "[]" if expression == "vector(1)" else "["
    assert {name for name, expected in failed if expected == wanted} == set(NAMES)


@pytest.mark.parametrize("code", sorted(set(NOT_RESTARTED) - {ExitCode.STOPPED}))
def test_every_exit_code_that_needs_a_person_has_exactly_one_alert(code: ExitCode, tmp_path: Path) -> None:
    values = {"watcher_up": "0x20", "watcher_enabled": "1x20", "watcher_exit_code": f"{int(code)}x20", "up": "1x20"}
    series = [{"series": f'{name}{{job="database-watcher"}}', "values": value} for name, value in values.items()]
    count = {"expr": 'count(ALERTS{alertstate="firing"})', "eval_time": "15m", "exp_samples": [{"labels": "{}", "value": 1}]}
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [count]}
    path = tmp_path / "codes.test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(MONITORING / "alerts.yml")], "tests": [test]}), encoding="utf-8")
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_says_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    annotations = rule["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_answers_the_same_questions(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["For consumers", "Look first", "What to do", "Over when"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_ask_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    assert set(metrics_in(rule["expr"])) <= documented_metrics()


@pytest.mark.parametrize("query", QUERIES)
def test_the_dashboard_asks_for_metrics_that_exist(query: str) -> None:
    asked = set(metrics_in(query))
    assert asked
    assert asked <= documented_metrics()


def test_a_metric_that_does_not_exist_is_found() -> None:
    assert list(metrics_in('sum(rate(watcher_evnts_total{watcher=~"watcher_up"}[5m]))')) == ["watcher_evnts_total"]
    assert list(metrics_in("watcher_event_age_seconds_bucket")) == ["watcher_event_age_seconds"]


def test_prometheus_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": in_prometheus(query)} for number, query in enumerate(QUERIES)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    done = promtool("check", "rules", path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_dashboard_leaves_the_choice_of_data_source_and_watchers_to_its_reader() -> None:
    variables = {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource": "datasource", "watcher": "query"}
    sources = [panel["datasource"]["uid"] for panel in PANELS if panel["type"] != "row"]
    assert set(sources) == {"${datasource}"}
    assert DASHBOARD.get("id") is None, "an id would take the place of another dashboard"


def test_the_dashboard_has_its_rows_and_no_panel_lies_on_another() -> None:
    rows = [panel["title"] for panel in PANELS if panel["type"] == "row"]
    assert rows == ["Fleet", "Delivery", "Lag and headroom", "Databases within a watcher", "Snapshots", "Errors", "Resources"]
    cells = [cell for panel in PANELS for cell in _cells(**panel["gridPos"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    ids = [panel["id"] for panel in PANELS]
    assert len(ids) == len(set(ids))


def _cells(x: int, y: int, w: int, h: int) -> Iterator[tuple[int, int]]:
    return ((x + right, y + down) for right in range(w) for down in range(h))
