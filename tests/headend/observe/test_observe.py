"""Metrics, health, logs and spans say what happened, and nothing that is secret."""

from __future__ import annotations

import io
import json
import logging

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ferraris.core.errors import UsageError
from ferraris.headend.observe.health import Health
from ferraris.headend.observe.logs import SessionLog, configure_logs, logger
from ferraris.headend.observe.metrics import Metrics
from ferraris.headend.observe.observer import Observers, SessionSeen
from ferraris.headend.observe.spans import SessionSpans

GOOD = SessionSeen("m1", "plan", "done", 10.0, 10.5, 96, 20)
BAD = SessionSeen("m2", "plan", "line", 11.0, 14.0, message="no answer, token=abcdefgh")


@pytest.fixture
def lines():
    """What is logged, as JSON."""
    out = io.StringIO()
    configure_logs("info", "json", out)
    return lambda: [json.loads(line) for line in out.getvalue().splitlines()]


def test_metrics_count_by_kind_and_never_by_meter():
    metrics = Metrics()
    for seen in (GOOD, GOOD, BAD):
        metrics.session(seen)
    metrics.request("show_meter", 200, 0.002)
    metrics.pushed("alarm", "stored", 3)
    metrics.stock({"gaps": 7})
    text = metrics.text().decode()
    assert 'ferraris_sessions_total{occasion="plan",outcome="done"} 2.0' in text
    assert 'ferraris_sessions_total{occasion="plan",outcome="line"} 1.0' in text
    assert 'ferraris_values_total{kind="interval"} 192.0' in text
    assert 'ferraris_requests_total{operation="show_meter",status="200"} 1.0' in text
    assert 'ferraris_pushes_total{kind="alarm",outcome="stored"} 3.0' in text
    assert 'ferraris_stock{kind="gaps"} 7.0' in text
    assert "m1" not in text
    assert "m2" not in text


def test_health_knows_faults_and_silence():
    now = 0.0
    health = Health(lambda: now)
    assert health.ready().ok
    health.beat("collection")
    health.fault("store", "the database does not answer")
    report = health.ready()
    assert not report.ok
    assert report.parts == {"collection": "ok", "store": "the database does not answer"}
    health.beat("store")
    assert health.ready().ok
    now = 500.0
    health.beat("store")
    report = health.ready()
    assert report.parts == {"collection": "nothing heard for 500 s", "store": "ok"}
    health.leave("collection")
    assert health.ready().ok


def test_logs_are_json_and_hold_no_secret(lines):
    logger("api").info(
        "asked",
        url="postgresql://user:hunter2@host/db",
        token="hunter2",
        master_key=b"hunter2",
        passphrase="hunter2",
        body=b"hunter2",
        header="Authorization: Bearer hunter2hunter2",
        meter="m1",
    )
    logging.getLogger("library").warning("cannot open sqlite://x:hunter2@y password=hunter2")
    Observers([SessionLog()]).session(BAD)
    Observers([SessionLog()]).session(GOOD)
    found = lines()
    assert "hunter2" not in json.dumps(found)
    assert "abcdefgh" not in json.dumps(found)
    assert found[0]["event"] == "asked"
    assert found[0]["meter"] == "m1"
    assert found[0]["level"] == "info"
    assert found[1]["event"].startswith("cannot open sqlite://x:***@y")
    assert [line["meter"] for line in found[2:]] == ["m2"]


@pytest.mark.parametrize(("level", "form"), [("loud", "json"), ("info", "xml")])
def test_unknown_logs_are_refused(level, form):
    with pytest.raises(UsageError, match="one of debug"):
        configure_logs(level, form)


def test_a_span_has_the_times_of_its_session():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = SessionSpans(provider)
    spans.session(GOOD)
    spans.session(BAD)
    good, bad = exporter.get_finished_spans()
    assert (good.start_time, good.end_time) == (10 * 10**9, 10_500_000_000)
    assert good.attributes["ferraris.meter"] == "m1"
    assert not bad.status.is_ok
