"""A service's log: waited for with a limit, kept apart from others', and free of our own frames."""

import shutil
from pathlib import Path

import pytest

from workshop import beside
from workshop.repository import SERVICES


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A learner's own copy of Recommendations."""
    return shutil.copytree(SERVICES / "recommendations", tmp_path / "copy")


def test_a_line_that_is_there_is_returned():
    with beside.run_recommendations() as service:
        assert f'"port": {service.port}' in service.wait_for_log("listening")


def test_a_line_that_does_not_come_is_an_error_with_the_last_lines():
    with (
        beside.run_recommendations() as service,
        pytest.raises(beside.NotReady, match="did not write “lunch” within 0.1 s") as caught,
    ):
        service.wait_for_log("lunch", seconds=0.1)
    assert "listening" in str(caught.value)


def test_one_that_is_gone_is_not_waited_for():
    service = beside.run_recommendations()
    service.kill()
    with pytest.raises(beside.NotReady, match="exited with code -9 before it wrote “lunch”"):
        service.wait_for_log("lunch", seconds=60)


def test_two_at_the_same_time_write_to_files_of_their_own():
    with beside.run_recommendations(name="one") as one, beside.run_recommendations(name="two") as two:
        assert one.log_file != two.log_file


def test_stopping_the_first_again_leaves_its_successor_in_charge():
    first = beside.run_recommendations()
    with beside.run_recommendations() as second:
        first.stop()
        third = beside.run_recommendations()
        assert second.exit_code == 0, "the third did not replace the second"
        third.stop()


def test_an_error_at_the_start_shows_the_service_s_frames_only(copy: Path):
    (copy / "recommendations.py").write_text("def main():\n    print(nobody)\n\n\nmain()\n")
    with pytest.raises(beside.NotReady) as caught:
        beside.run_recommendations(folder=copy)
    story = str(caught.value)
    assert "NameError: name 'nobody' is not defined" in story
    assert 'File "recommendations.py", line 5' in story
    assert "lifeline" not in story
    assert "runpy" not in story
