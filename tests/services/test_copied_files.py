"""Files that both services have are copies, word for word, until somebody decides otherwise."""

import pytest

from processes import MARKETPLACE, RECOMMENDATIONS


@pytest.mark.parametrize("name", ["connections.py", "logs.py", "ports.py", "request_id.py", "tls.py"])
def test_both_services_have_the_same(name: str):
    assert (RECOMMENDATIONS / name).read_text("utf-8") == (MARKETPLACE / name).read_text("utf-8")
