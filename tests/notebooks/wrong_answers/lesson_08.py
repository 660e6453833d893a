"""Plausible wrong answers to lesson 08, and a part of the nudge that each must get."""

from workshop import archive
from workshop.cleanup import LABELS

MAINTENANCE = """
import recommendations
from grpc_health.v1.health_pb2 import HealthCheckResponse
create = recommendations.create_server

async def create_server(address):
    server, port, checks = await create(address)
    await checks.set({name!r}, HealthCheckResponse.{status})
    return server, port, checks

recommendations.create_server = create_server
recommendations.main()
"""


def maintenance(service="Recommendations", status="NOT_SERVING", interval=500_000_000, test=None):
    code = MAINTENANCE.format(name=service, status=status)

    def answer(client, name):
        question = {"test": test or "python healthcheck.py", "interval": interval, "start_period": 10**6}
        return client.containers.run(
            "recommendations", ["python", "-c", code], name=name, detach=True, labels=LABELS,
            healthcheck={**question, "retries": 2},
        )  # fmt: skip

    return answer


def says_nothing(client, name):
    maintenance()(client, name)


def rotation(folder="2", move=("mv", "-T"), link="/tls/current", leave_out=()):
    def answer(container, files):
        chosen = {f"{folder}/{name}": files[name] for name in files if name not in leave_out}
        container.put_archive("/tls", archive.pack(chosen))
        container.exec_run(["ln", "-s", folder, "/tls/next"], user="0")
        container.exec_run([*move, "/tls/next", link], user="0")

    return answer


def file_by_file(container, files):
    for name, content in files.items():
        container.put_archive("/tls/current", archive.pack({name: content}))


def restarts(container, files):
    rotation()(container, files)
    container.restart()


LOCKED = {
    "read_only": True,
    "tmpfs": {"/tmp": ""},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "mem_limit": "128m",
}


def locked(**changed):
    def answer(client, name):
        options = {**LOCKED, **changed}
        return client.containers.run("recommendations", name=name, detach=True, labels=LABELS, **options)

    return answer


WRONG = [
    ("08-1", "the server as a whole", maintenance(service=""), "Which name does healthcheck.py ask for?"),
    ("08-1", "says that it does not know", maintenance(status="UNKNOWN"), "It says UNKNOWN"),
    ("08-1", "no such status", maintenance(status="DOWN"), "AttributeError: DOWN"),
    ("08-1", "counts in seconds", maintenance(interval=1), "counts in nanoseconds"),
    ("08-1", "asks every half minute", maintenance(interval=30 * 10**9), "asks every 30 s"),
    ("08-1", "asks every three seconds", maintenance(interval=3 * 10**9), "asks every 3 s"),
    ("08-1", "asks every second", maintenance(interval=10**9), "asks every 1 s"),
    ("08-1", "asks twenty times a second", maintenance(interval=50_000_000), "asks every 0.05 s"),
    ("08-1", "leaves it to the engine", maintenance(interval=0), "every half second was asked for"),
    ("08-1", "counts in floats", maintenance(interval=10**9 / 2), "`//` does not"),
    ("08-1", "a check that always passes", maintenance(test="true"), "With which command does it ask?"),
    ("08-1", "a check that always fails", maintenance(status="SERVING", test="false"), "still says SERVING"),
    ("08-1", "returns nothing", says_nothing, "Return the container"),
    (
        "08-2",
        "overwrites the old folder",
        rotation(folder="1"),
        "Put the new ones into a folder of their own",
    ),
    ("08-2", "copies file by file", file_by_file, "found half a pair"),
    ("08-2", "moves into the folder", rotation(move=("mv",)), "treats the target as a file"),
    ("08-2", "moves to another name", rotation(link="/tls/new"), "still shows the old certificate"),
    ("08-2", "forgets the key", rotation(leave_out=["key.pem"]), "certificate not used"),
    ("08-2", "restarts the server", restarts, "was restarted"),
    ("08-3", "may write", locked(read_only=False), "Is the file system read-only?"),
    ("08-3", "another folder", locked(tmpfs={"/var/tmp": ""}), "cannot write in /tmp"),
    ("08-3", "drops one", locked(cap_drop=["NET_RAW"]), "still has capabilities"),
    ("08-3", "allows new rights", locked(security_opt=[]), "A setuid program"),
    ("08-3", "takes two gigabytes", locked(mem_limit="2g"), "It may take 2048 MB"),
    ("08-3", "no limit", locked(mem_limit=None), "all the memory of the machine"),
    ("08-3", "too little to start", locked(mem_limit="16m"), "the kernel killed it"),
]
