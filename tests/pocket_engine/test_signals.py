"""Programs start with every signal handled by default, whoever started the engine."""

import subprocess
import sys

INHERITED = """
import signal
from pocket_engine.runners import signals

signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
ignored = (1).to_bytes(8, "little") + bytes(24)  # The kernel's struct sigaction, with SIG_IGN.
for number in (32, 33):  # Those that Python's own functions cannot reach.
    assert signals._syscall(signals._RT_SIGACTION, number, ignored, None, 8) == 0
before = open("/proc/self/status").read()
signals.reset()
print(before + open("/proc/self/status").read())
"""


def test_reset():
    status = subprocess.run(
        [sys.executable, "-c", INHERITED], check=True, capture_output=True, text=True
    ).stdout
    fields = [line.split() for line in status.splitlines() if line.startswith(("SigBlk", "SigIgn"))]
    (_, blocked), (_, ignored), *after = fields
    assert int(blocked, 16) and int(ignored, 16) & 0b11 << 31 == 0b11 << 31
    assert [int(mask, 16) for _, mask in after] == [0, 0]
