"""What is no port ends a service with one sentence, before it has begun."""

import json

import pytest

from processes import MARKETPLACE, RECOMMENDATIONS, run_to_its_end

COMMANDS = {RECOMMENDATIONS: ["recommendations.py"], MARKETPLACE: ["server.py"]}


@pytest.mark.parametrize(
    ("folder", "variable"),
    [
        (RECOMMENDATIONS, "PORT"),
        (RECOMMENDATIONS, "METRICS_PORT"),
        (RECOMMENDATIONS, "HEALTH_PORT"),
        (MARKETPLACE, "PORT"),
        (MARKETPLACE, "RECOMMENDATIONS_PORT"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
@pytest.mark.parametrize("value", ["http", "", "-1", "65536", "tcp://10.0.0.1:50051", "\u0665"])
def test_what_is_no_port_is_refused(folder, variable: str, value: str):
    finished = run_to_its_end(COMMANDS[folder], folder, **{variable: value})
    assert finished.returncode == 1
    assert f"{variable} is {value!r}, which is no port" in json_messages(finished.stdout)
    assert "Traceback" not in finished.stdout + finished.stderr


def json_messages(text: str) -> str:
    return "\n".join(json.loads(line)["message"] for line in text.splitlines())
