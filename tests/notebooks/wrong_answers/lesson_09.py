"""Plausible wrong answers to the exercises of lesson 09, and the nudge that each must get."""


def probes(port="50051", service="Recommendations", whole='""', misses="3"):
    return lambda: (
        f"""
readinessProbe:
  grpc:
    port: {port}
    service: {service}
livenessProbe:
  grpc:
    port: 50051
    service: {whole}
  periodSeconds: 10
  failureThreshold: {misses}
"""
    )


def service(selector="app.kubernetes.io/name: marketplace", target="http"):
    return lambda: (
        f"""
apiVersion: v1
kind: Service
metadata:
  name: shop
spec:
  selector:
    {selector}
  ports:
    - targetPort: {target}
      port: 80
"""
    )


def scaling(kind="Deployment", name="marketplace", share="70", by_hand=3, keeps_its_number=False):
    def answer(recommendations, marketplace):
        recommendations["spec"]["replicas"] = by_hand
        if not keeps_its_number:
            del marketplace["spec"]["replicas"]
        return f"""
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: shop}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: {kind}, name: {name}}}
  minReplicas: 2
  maxReplicas: 6
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {{type: Utilization, averageUtilization: {share}}}
"""

    return answer


def rolling(
    most=lambda replicas, surge: replicas + surge,
    fewest=lambda replicas, unavailable: replicas - unavailable,
    may_go=lambda pod, ready, fewest: not pod.ready or ready > fewest,
):
    def answer(pods, template, replicas, surge, unavailable):
        old = [pod for pod in pods if pod.template != template]
        remove, ready = [], sum(pod.ready for pod in pods)
        for pod in old:
            if may_go(pod, ready, fewest(replicas, unavailable)):
                remove.append(pod)
                ready -= pod.ready
        missing = replicas - (len(pods) - len(old))
        return max(min(missing, most(replicas, surge) - len(pods)), 0), remove

    return answer


WRONG = [
    ("09-1", "the port by its name", probes(port="grpc"), "must be an integer"),
    ("09-1", "another port", probes(port="5000"), "nothing listens on port 5000"),
    ("09-1", "the image's name", probes(service="recommendations"), "NOT_FOUND"),
    ("09-1", "readiness of the whole server", probes(service='""'), "still passed"),
    ("09-1", "liveness of the service", probes(whole="Recommendations"), "calls in flight"),
    ("09-1", "liveness of the image's name", probes(whole="marketplace"), "livenessProbe of a healthy pod"),
    ("09-1", "the seconds as misses", probes(misses="30"), "after 300 seconds"),
    ("09-1", "no text", lambda: {"readinessProbe": {}}, "Return the YAML as a text"),
    ("09-1", "a tab", lambda: "readinessProbe:\n\tgrpc: {port: 50051}\n", "with a tab"),
    ("09-2", "a label that no pod has", service("app: marketplace"), "no pod has that label"),
    ("09-2", "another value", service("app.kubernetes.io/name: shop"), "selects nothing"),
    ("09-2", "too much", service("app.kubernetes.io/part-of: online-books-for-you"), "reach a gRPC server"),
    ("09-2", "the other component", service("app.kubernetes.io/name: recommendations"), "gRPC server"),
    ("09-2", "another port's name", service(target="web"), "leads to port “web”"),
    ("09-2", "the port's number", service(target="5000"), "not its number"),
    ("09-2", "no selector", service("{}"), "name a label"),
    ("09-3", "too few by hand", scaling(by_hand=2), "should have 3 pods"),
    ("09-3", "text as number", scaling(by_hand="3"), "must be an integer"),
    ("09-3", "the number stays", scaling(keeps_its_number=True), "every `kubectl apply` would undo"),
    ("09-3", "the other component", scaling(name="recommendations"), "not the Marketplace"),
    ("09-3", "the Service as target", scaling(kind="Service"), "There is no Service marketplace to scale"),
    ("09-3", "its own name", scaling(name="shop"), "There is no Deployment shop to scale"),
    ("09-3", "the use as target", scaling(share="140"), "they become 2"),
    ("09-3", "a share in quotes", scaling(share='"70"'), "must be an integer"),
    (
        "09-4",
        "one more, whatever maxSurge says",
        rolling(most=lambda r, s: r + 1),
        "there may be 3 at the most",
    ),
    ("09-4", "no surge", rolling(most=lambda r, s: r), "1 may be started at once; you start 0"),
    ("09-4", "no bound", rolling(most=lambda r, s: 2 * r), "there may be 4 at the most"),
    ("09-4", "none may be missing", rolling(fewest=lambda r, u: r), "the roll never ended"),
    ("09-4", "the number itself", rolling(fewest=lambda r, u: u), "there have to be 3 at the least"),
    ("09-4", "all old ones at once", rolling(may_go=lambda pod, ready, fewest: True), "at the least"),
    ("09-4", "one too early", rolling(may_go=lambda pod, ready, fewest: ready >= fewest), "you left 2"),
    (
        "09-4",
        "ready ones only",
        rolling(may_go=lambda pod, ready, fewest: ready > fewest),
        "Nobody would miss it",
    ),
    (
        "09-4",
        "useless ones only",
        rolling(may_go=lambda pod, ready, fewest: not pod.ready),
        "the roll never ended",
    ),
]
