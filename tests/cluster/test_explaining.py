"""Why a Deployment does not come up, from recordings of real clusters and from what a 1.36 would say."""

import jsonschema
import pytest
from double import Cluster as Server
from double import Refusal
from playing import NAMESPACE, READY, RECORDED, Controllers, deployment, namespace, play, recorded

from workshop.cluster import Cluster, NotThere, explaining, refusals, scheduling
from workshop.cluster.cases import PodCase
from workshop.cluster.probing import _heard
from workshop.cluster.pulling import _reading
from workshop.cluster.situation import Happening, Room, Situation, moment
from workshop.manifests import schema

# Of each recording: the name of the cause, and what a learner has to find in it.
TOLD = {
    "quota": (
        "quota",
        ["Its pods may not be made", "quota “small” has no room", "asks for 1, 1 of 1 are taken"],
    ),
    "quota-wants-numbers": ("quota", ["must specify limits.memory,requests.cpu", "under `resources`"]),
    "limit-range": ("limit range", ["maximum memory usage per Container is 100Mi, but limit is 256Mi"]),
    "service-account": ("ServiceAccount", ["ServiceAccount “marketplace”, and the namespace has none"]),
    "pod-security": (
        "Pod Security",
        ["level “restricted”", "could gain more rights", "nothing keeps it from running as root", "seccomp"],
    ),
    "no-room": (
        "no room",
        ["too little cpu is free", "too little memory is free", "The pod asks for 64 CPU"],
    ),
    "node-selector": ("no room", ["has not the labels", "The pod wants a node with disk=fast"]),
    "node-lost": ("node lost", ["node fake-applying does not answer", "After five minutes"]),
    "pull-local": (
        "image",
        ["“marketplace:1.0.0” cannot be pulled", 'shop.load_images(client, "marketplace:1.0.0")'],
    ),
    "pull-no-such-host": ("image", ["does not find the registry registry.example.invalid"]),
    "pull-refused": ("image", ["does not reach the registry 127.0.0.1:1"]),
    "image-name": ("image name", ["is no name of an image"]),
    "never-pull": ("image", ["`imagePullPolicy: Never`", "shop.load_images"]),
    "crash-loop": ("crash", ["ends again and again", "exit code 1"]),
    "out-of-memory": ("out of memory", ["more memory than its limit of 32Mi"]),
    "completed": ("crash", ["with code 0", "has to run for ever"]),
    "segfault": ("crash", ["Code 139", "SIGSEGV"]),
    "command-not-found": ("start", ["There is no “serve-books” in the image", "`command` in the manifest"]),
    "not-executable": ("start", ["may not be executed by the pod's user"]),
    "missing-config-map": ("configuration", ["ConfigMap “settings” is missing"]),
    "missing-key": ("configuration", ["has no key “NO_SUCH_KEY”"]),
    "missing-secret": ("configuration", ["Secret “marketplace-tls” is missing", "shop.make_certificates()"]),
    "root": ("root", ["the image runs as root", "runAsUser"]),
    "readiness-refused": (
        "readiness probe",
        ["GET /readyz by HTTP on port 5000", "connection refused", "no traffic"],
    ),
    "readiness-404": ("readiness probe", ["on port 5000 (“http”)", "no such page"]),
    "readiness-503": ("readiness probe", ["HTTP 503", "itself says that it is not ready"]),
    "liveness-timeout": ("liveness probe", ["No answer came in time", "killed and started again"]),
    "startup-exec": ("startup probe", ["`cat /no/such/file` in the container", "The command failed"]),
    "init-crash": ("crash", ["init container “migrate” ends again and again", "exit code 3"]),
}


def test_every_recording_is_told_and_valid_in_kubernetes_1_36() -> None:
    names = {path.stem for path in RECORDED.glob("*.yaml")}
    assert names == TOLD.keys()
    for name in names:
        for thing in recorded(name):
            definition = schema.kinds("1.36")[thing["apiVersion"], thing["kind"]]
            root = {"$ref": f"#/$defs/{definition}", "$defs": schema.definitions("1.36")}
            jsonschema.Draft202012Validator(root).validate(thing)


@pytest.mark.parametrize("name", TOLD)
def test_a_recorded_failure_is_explained(
    shop: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    play(server, name)
    cause, words = TOLD[name]
    # The recording's own moment: what restarted long ago, and is ready now, is told no more.
    last = max(moment(Happening.read(each).time) for each in recorded(name) if each["kind"] == "Event")
    monkeypatch.setattr(explaining, "now", lambda: last)

    (told,) = shop.why("marketplace")

    assert told.cause == cause
    for each in words:
        assert each in str(told)
    assert told.next
    said = [each.get("message", "") for each in recorded(name) if each["kind"] == "Event"]
    assert any(message and message in " ".join(told.evidence) for message in said)


LOGGED = {
    "crash-loop": "starting\nKeyError: RECOMMENDATIONS_PORT",
    "completed": "migrated the tables",
    "init-crash": "no database",
}


@pytest.mark.parametrize("name", LOGGED)
def test_the_last_lines_of_a_crashed_container_are_shown(shop: Cluster, server: Server, name: str) -> None:
    play(server, name)
    (pod,) = [each["metadata"]["name"] for each in recorded(name) if each["kind"] == "Pod"]
    container = "migrate" if name == "init-crash" else "marketplace"
    # The run before the last restart; of the run that waits now there is nothing.
    server.double.logs[pod, container, True] = LOGGED[name]

    assert LOGGED[name].splitlines()[-1] in str(shop.why("marketplace"))


def test_all_is_well_where_all_pods_are_ready(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment()])
    controllers = Controllers(server)
    controllers.start()
    controllers.pod(1, READY)
    controllers.pod(2, READY)
    controllers.status(updated=2, available=2)

    told = shop.why("marketplace")

    assert not told
    assert "nothing keeps it down" in str(told)
    assert "nothing keeps it down" in told._repr_mimebundle_()["text/html"]


def test_a_name_that_nothing_has_is_told_with_those_that_are_there(shop: Cluster) -> None:
    shop.apply([namespace(), deployment("recommendations")])

    with pytest.raises(NotThere, match=r"no Deployment “marketplace”. There are: recommendations"):
        shop.why("marketplace")


def test_one_pod_may_be_asked_about_by_its_name(shop: Cluster, server: Server) -> None:
    play(server, "no-room")
    pod = next(each["metadata"]["name"] for each in recorded("no-room") if each["kind"] == "Pod")

    (told,) = shop.why(pod)

    assert told.pods == (pod,)


def test_the_same_cause_of_several_pods_is_told_once(shop: Cluster, server: Server) -> None:
    play(server, "no-room")

    (told,) = shop.why("marketplace")

    assert len(told.pods) == 2
    assert "(2 pods: " in str(told)


def test_a_reader_without_the_right_to_events_is_told_so(shop: Cluster, server: Server) -> None:
    play(server, "quota")
    words = 'events is forbidden: User "ada" cannot list resource "events"'
    server.double.refuse = lambda verb, path, body: (
        Refusal(403, "Forbidden", words) if "/events" in path else None
    )

    told = shop.why("marketplace")

    assert told[0].cause == "quota"
    assert "you have no right to read events here" in str(told)


def test_the_room_on_the_nodes_is_told_in_numbers(shop: Cluster, server: Server) -> None:
    play(server, "no-room")
    allocatable = {"cpu": "2", "memory": "2Gi"}
    server.put(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "n1"},
            "status": {"allocatable": allocatable},
        }
    )
    resources = {"requests": {"cpu": "500m", "memory": "512Mi"}}
    spec = {"nodeName": "n1", "containers": [{"name": "other", "resources": resources}]}
    other = {"name": "other", "namespace": "elsewhere"}
    server.put(
        {"apiVersion": "v1", "kind": "Pod", "metadata": other, "spec": spec, "status": {"phase": "Running"}}
    )

    assert "Node n1 has 2 CPU and 2,048 MiB, of which its pods ask for 0.5 CPU and 512 MiB." in str(
        shop.why("marketplace")
    )


def test_what_is_unknown_is_told_word_for_word(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment()])
    controllers = Controllers(server)
    controllers.start()
    waiting = {"reason": "FluxCapacitorError", "message": "1.21 gigawatts are missing"}
    status = {"name": "marketplace", "ready": False, "restartCount": 0, "state": {"waiting": waiting}}
    controllers.pod(1, {"phase": "Pending", "containerStatuses": [status]})
    controllers.status(updated=1, available=0)

    assert "1.21 gigawatts are missing" in str(shop.why("marketplace"))


def test_a_pod_that_does_not_end_is_explained_with_its_finalizers(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment()])
    controllers = Controllers(server)
    controllers.start()
    gone = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}
    controllers.pod(1, READY, **gone, finalizers=["shop.example/books"])
    controllers.status(updated=1, available=0)

    assert "shop.example/books" in str(shop.why("marketplace"))


def test_an_evicted_pod_and_a_lost_node_are_explained(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment()])
    controllers = Controllers(server)
    controllers.start()
    said = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. "
    controllers.pod(1, {"phase": "Failed", "reason": "Evicted", "message": said})
    lost = controllers.pod(
        2,
        {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [
                {"name": "marketplace", "ready": True, "restartCount": 0, "state": {"running": {}}}
            ],
        },
    )
    about = {"kind": "Pod", "name": lost["metadata"]["name"], "uid": lost["metadata"]["uid"]}
    event = {
        "reason": "NodeNotReady",
        "message": "Node is not ready",
        "type": "Warning",
        "involvedObject": about,
    }
    server.put(
        {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": NAMESPACE}, **event}
    )
    controllers.status(updated=1, available=0)

    told = str(shop.why("marketplace"))

    assert "The node ran short of memory" in told
    assert "The pod's node node-1 does not answer" in told


def test_a_paused_rollout_and_one_that_nobody_looked_at_are_explained(shop: Cluster, server: Server) -> None:
    paused = deployment()
    paused["spec"]["paused"] = True
    shop.apply([namespace(), paused])
    assert [each.cause for each in shop.why("marketplace")][:1] == ["controller"] or len(
        shop.why("marketplace")
    ) == 2

    Controllers(server).status(updated=0, available=0)

    (told,) = shop.why("marketplace")
    assert told.cause == "paused"
    assert "kubectl rollout resume deployment/marketplace" in told.next


def test_a_rollout_that_kubernetes_gave_up_is_explained(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment()])
    controllers = Controllers(server)
    controllers.start()
    controllers.status(updated=1, available=0)
    found = server.get("apps/v1", "Deployment", "marketplace", NAMESPACE)
    message = 'ReplicaSet "marketplace-r1" has timed out progressing.'
    late = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": message,
    }
    server.put({**found, "status": {**found["status"], "conditions": [late]}})

    (told,) = shop.why("marketplace")

    assert told.cause == "too late"
    assert message in told.evidence[0]


def test_reasons_of_the_version_before_do_not_count(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment(image="marketplace:broken")])
    controllers = Controllers(server)
    controllers.start()
    waiting = {"reason": "ErrImagePull", "message": "not found"}
    status = {"name": "marketplace", "ready": False, "restartCount": 0, "state": {"waiting": waiting}}
    controllers.pod(1, {"phase": "Pending", "containerStatuses": [status]})
    shop.apply([deployment(image="marketplace:1.0.0")])
    controllers.start()
    controllers.pod(1, READY)
    controllers.status(updated=1, available=1, old=1)

    assert not shop.why("marketplace")


@pytest.mark.parametrize(
    "event",
    [
        {"lastTimestamp": "2026-11-25T05:00:00Z", "firstTimestamp": "2026-11-25T04:00:00Z", "count": 3},
        {"lastTimestamp": None, "eventTime": "2026-11-25T05:00:00.000000Z", "series": {"count": 3}},
        {
            "eventTime": "2026-11-25T04:00:00.0Z",
            "series": {"count": 3, "lastObservedTime": "2026-11-25T05:00:00Z"},
        },
        {
            "deprecatedLastTimestamp": "2026-11-25T05:00:00Z",
            "deprecatedCount": 3,
            "note": "said",
            "regarding": {"uid": "u"},
        },
    ],
    ids=["core", "new", "series", "events.k8s.io"],
)
def test_an_event_is_read_whichever_api_wrote_it(event: dict[str, object]) -> None:
    read = Happening.read({"message": "said", "involvedObject": {"uid": "u"}, **event})

    assert (read.message, read.uid, read.count) == ("said", "u", 3)
    assert read.time.startswith("2026-11-25T05:00:00")


SCHEDULER = {
    # As 1.36 says it, then as older ones did.
    "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient memory. no new claims to "
    "deallocate, "
    "preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption "
    "victims found "
    "for incoming pod.": [
        "None of the cluster's 3 nodes fits",
        "On 1 of them a taint keeps",
        "On 2 of them too little memory",
    ],
    "0/1 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }. "
    "preemption: "
    "0/1 nodes are available: 1 Preemption is not helpful for scheduling.": ["for Kubernetes itself"],
    "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.": [
        "`nodeSelector` or the node affinity"
    ],
    "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints.": [
        "`topologySpreadConstraints`"
    ],
    "0/2 nodes are available: 2 node(s) were unschedulable.": ["kubectl uncordon"],
    "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.": ["has no volume yet"],
    "0/1 nodes are available: 1 Too many pods.": ["as many pods as it may"],
    "no nodes available to schedule pods": ["no node at all"],
    "0/1 nodes are available: 1 node(s) dislike the pod's name.": [
        "the scheduler says “node(s) dislike the pod's name”"
    ],
}


@pytest.mark.parametrize("said, words", SCHEDULER.items(), ids=range(len(SCHEDULER)))
def test_the_schedulers_sentence_is_told_in_plain_words(said: str, words: list[str]) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": []}, "status": {"conditions": [condition]}}

    told = scheduling.explain(PodCase(pod, Situation([], [], [pod], [])))

    assert told is not None
    for each in words:
        assert each in told.why
    assert told.next


def test_the_taints_that_the_sentence_leaves_out_come_from_the_nodes(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment()])
    controllers = Controllers(server)
    controllers.start()
    said = "0/1 nodes are available: 1 node(s) had untolerated taint(s)."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    pod = controllers.pod(1, {"phase": "Pending", "conditions": [condition]})
    del pod["spec"]["nodeName"]
    server.put(pod)
    controllers.status(updated=1, available=0)
    taints = [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    server.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"taints": taints}})

    assert "Node n1: node.kubernetes.io/not-ready (the node is not ready)." in str(shop.why("marketplace"))


def test_a_deployment_that_is_scaled_to_nothing_is_told_so(shop: Cluster, server: Server) -> None:
    shop.apply([namespace(), deployment(replicas=0)])
    Controllers(server).status(updated=0, available=0)

    assert "It is scaled to 0 pods" in str(shop.why("marketplace"))


def test_what_pods_ask_for_is_counted_as_the_scheduler_does() -> None:
    def asks(cpu: str, memory: str) -> dict[str, object]:
        return {"resources": {"requests": {"cpu": cpu, "memory": memory}}}

    pod = {
        "spec": {
            "nodeName": "n",
            "containers": [asks("100m", "64Mi"), asks("200m", "64Mi")],
            "initContainers": [asks("1", "32Mi"), {**asks("50m", "8Mi"), "restartPolicy": "Always"}],
        }
    }
    over = {"spec": pod["spec"], "status": {"phase": "Succeeded"}}
    node = {"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "3920m", "memory": "1Gi"}}}

    (room,) = scheduling.rooms([node], [pod, over])

    assert room == Room("n", 3.92, 1.0, 2**30, 136 * 2**20)


PULLS = {
    "shop.example/m:1": {
        'failed to pull and unpack image "shop.example/m:1": failed to resolve reference "shop.example/m:1": '
        "shop.example/m:1: not found": "has no image of that name and tag",
        "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized": "asks for "
        "a login",
        "pull access denied, repository does not exist or may require authorization": "asks for a login",
        "dial tcp: lookup shop.example on 10.0.0.2:53: no such host": "does not find the registry "
        "shop.example",
        "dial tcp 10.1.1.1:443: i/o timeout": "does not reach the registry shop.example",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority": "does not trust",
        "http: server gave HTTP response to HTTPS client": "plain HTTP",
        "no match for platform in manifest: not found": "none for this node's processor",
        "429 Too Many Requests - toomanyrequests: You have reached your pull rate limit": "enough images "
        "for now",
        "write /var/lib/x: no space left on device": "disk is full",
        "the moon is full": "says why, below",
    },
    "marketplace:1.0.0": {
        "pull access denied, repository does not exist or may require authorization": "on your engine only",
        "dial tcp: lookup registry on 10.0.0.2:53: no such host": "on your engine only",
        "no match for platform in manifest: not found": "none for this node's processor",
    },
}


@pytest.mark.parametrize(
    "image, said, words",
    [(image, said, words) for image, table in PULLS.items() for said, words in table.items()],
)
def test_why_an_image_cannot_be_pulled(image: str, said: str, words: str) -> None:
    why, remedy = _reading(f'Failed to pull image "{image}": rpc error: code = Unknown desc = {said}', image)

    assert words in why
    assert remedy


PROBES = (
    ("HTTP probe failed with statuscode: 503", "itself says that it is not ready"),
    ("HTTP probe failed with statuscode: 404", "no such page"),
    ("HTTP probe failed with statuscode: 500", "no success"),
    (
        'Get "http://10.1.0.5:5000/healthz": dial tcp 10.1.0.5:5000: connect: connection refused',
        "nothing listens",
    ),
    (
        'Get "http://10.1.0.5:5000/": context deadline exceeded (Client.Timeout exceeded)',
        "No answer came in time",
    ),
    (
        'timeout: failed to connect service "10.0.0.7:50051" within 1s: context deadline exceeded',
        "mutual TLS",
    ),
    (
        "error: health rpc probe failed: rpc error: code = Unavailable desc = connection error: desc = "
        '"error reading server preface: EOF"',
        "mutual TLS",
    ),
    ("timeout: health rpc did not complete within 1s", "No answer came in time"),
    ('service unhealthy (responded with "NOT_SERVING")', "itself says that it does not serve"),
    (
        "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
        "knows no service of that name",
    ),
    (
        "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
        "unknown service grpc.health.v1.Health",
        "no health service",
    ),
    (
        'Get "http://10.1.0.5:5000/": net/http: HTTP/1.x transport connection broken: malformed',
        "another protocol",
    ),
    ('Get "http://10.1.0.5:5000/": EOF', "broke off"),
    ("something else", "word for word"),
)


@pytest.mark.parametrize("heard, words", PROBES, ids=range(len(PROBES)))
def test_what_a_probe_heard(heard: str, words: str) -> None:
    meaning, remedy = _heard(heard, {"httpGet": {"path": "/"}})

    assert words in meaning
    assert remedy


def test_pod_security_names_every_field() -> None:
    found = refusals.read(
        'pods "m-" is forbidden: violates PodSecurity "restricted:v1.36": host namespaces '
        "(hostNetwork=true), "
        'restricted volume types (volume "v" uses restricted volume type "hostPath"), runAsUser=0 (pod '
        "must not set "
        'runAsUser=0), seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "x"), hostPort '
        '(containers "a", "b" use hostPorts 80, 81)'
    )

    assert found is not None
    assert found.why.count("\n  - ") == 5
    assert "level “restricted”" in found.why
    assert "containers a, b use hostPorts 80, 81" in found.why
