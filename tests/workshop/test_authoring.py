"""How an exercise is derived from its solution, and what a taken port or an old stub is."""

import socket
from pathlib import Path

import nbformat
import pytest

from workshop import authoring, ports, stubs
from workshop.repository import PROTO


def solution(source: str, blanks: list[str]) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, id="exercise-99-1", metadata={"blanks": blanks})


def test_each_piece_becomes_a_blank_in_its_turn():
    cell = solution("a = f(1)\nb = f(1)\nc = 1", ["f(1)", "1"])
    assert authoring.blanked(cell) == "a = ____\nb = f(____)\nc = 1"


@pytest.mark.parametrize("blanks", [[], ["not there"], ["c", "a"]])
def test_a_piece_that_is_not_there_is_an_error(blanks: list[str]):
    with pytest.raises(authoring.Mismatch, match="exercise-99-1"):
        authoring.blanked(solution("a = b + c", blanks))


def test_outputs_and_counts_are_removed():
    cell = nbformat.v4.new_code_cell(
        "1", execution_count=3, outputs=[nbformat.v4.new_output("stream", text="1")]
    )
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}})
    authoring.normalise(notebook)
    assert (cell.outputs, cell.execution_count, "widgets" in notebook.metadata) == ([], None, False)


def test_stubs_are_current_until_the_contract_changes(tmp_path: Path):
    proto = tmp_path / "recommendations.proto"
    proto.write_bytes(PROTO.read_bytes())
    folder = tmp_path / "service"
    folder.mkdir()
    assert not stubs.are_current(proto, (folder,))
    stubs.generate(proto, (folder,))
    assert {file.name for file in folder.iterdir()} == set(stubs.NAMES)
    assert stubs.are_current(proto, (folder,))
    changed = proto.stat().st_mtime + 10
    import os

    os.utime(proto, (changed, changed))
    assert not stubs.are_current(proto, (folder,))


def test_a_contract_that_does_not_compile_is_refused(tmp_path: Path):
    proto = tmp_path / "broken.proto"
    proto.write_text('syntax = "proto3"; message {')
    with pytest.raises(stubs.InvalidContract, match="does not compile"):
        stubs.generate(proto, (tmp_path,))


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_port_that_anybody_listens_on_is_not_free(address: str):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.next_free(port) > port
    assert ports.is_free(port)
