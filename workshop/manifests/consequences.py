"""What breaks without a field: our own words, for every field that the workshop's manifests use."""

from collections.abc import Iterator, Sequence

from workshop.manifests.definitions import Step
from workshop.manifests.paths import Keys


def consequence(steps: Sequence[Step], keys: Keys) -> str:
    """What is worse without the field at the end of a way; empty where we have no words for it.

    Args:
        steps: the way to the field, the object itself first.
        keys: the same way, as the manifest writes it.
    """
    return next((_WITHOUT[pattern] for pattern in _patterns(steps, keys) if pattern in _WITHOUT), "")


def _patterns(steps: Sequence[Step], keys: Keys) -> Iterator[str]:
    """What the table may call the field, the most particular name first."""
    names = [str(key) for key in keys if isinstance(key, str)]
    if names:
        yield f"*.{'.'.join(names)}"
    for position, step in enumerate(steps[:-1]):
        inside = [str(key) for key in keys[position:] if isinstance(key, str)]
        if step.definition and inside:
            yield ".".join([step.definition, *inside])
            # The author's own name, in a map.
            yield ".".join([step.definition, *inside[:-1], "*"])


# By the name of the schema's definition and the way from it to the field, so that a container is a container
# in a Job too. `*` stands for any object, and for a name that the author chose.
_WITHOUT = {
    # Every object.
    "*.apiVersion": "Without it the API server cannot tell which schema the object follows, and refuses it.",
    "*.kind": "Without it nobody knows what this is: kubectl and the API server refuse it.",
    "*.metadata": "Without it the object has no name, and the API server refuses it.",
    "ObjectMeta.name": (
        "Without it the object cannot be created: nothing could refer to it, or find it again to change it."
    ),
    "ObjectMeta.namespace": (
        "Without it the object goes to the namespace that the command happens to use, mostly `default`. "
        "There the name `recommendations` means something else, and our NetworkPolicies do not hold."
    ),
    "ObjectMeta.labels": (
        "Without them no selector finds the object: no Service, no NetworkPolicy, no `kubectl get -l`."
    ),
    "ObjectMeta.labels.*": "Without it whoever selects by this label passes the object over.",
    "ObjectMeta.labels.app.kubernetes.io/name": (
        "Without it `kubectl get all -l app.kubernetes.io/name=…` misses the object: nothing says which "
        "component it belongs to."
    ),
    "ObjectMeta.labels.app.kubernetes.io/part-of": (
        "Without it the workshop does not know the object as its own, and leaves it alone when it cleans up."
    ),
    "ObjectMeta.annotations": (
        "Nothing in Kubernetes itself needs them. Tools do: what they look for is no longer there."
    ),
    "ObjectMeta.annotations.*": (
        "Kubernetes only keeps it. The tool that reads it falls back to what it does without."
    ),
    "ObjectMeta.annotations.checkov.io/skip1": (
        "Without it the policy scanner reports a finding that we know of and have answered here."
    ),
    "ObjectMeta.annotations.checkov.io/skip2": (
        "Without it the policy scanner reports a finding that we know of and have answered here."
    ),
    # Namespace.
    "ObjectMeta.labels.pod-security.kubernetes.io/enforce": (
        "Without it any pod gets in, one that runs as root or uses the node's own network too."
    ),
    "ObjectMeta.labels.pod-security.kubernetes.io/enforce-version": (
        "Without it the newest rules hold all the same; written down, a reader sees that they may become "
        "stricter with the next version."
    ),
    "ObjectMeta.labels.pod-security.kubernetes.io/warn": (
        "Without it a Deployment that breaks the rules is accepted in silence. Only its pods never come, "
        "and the reason stands in the events of its ReplicaSet."
    ),
    "ObjectMeta.labels.pod-security.kubernetes.io/warn-version": (
        "Without it the warnings follow the newest rules all the same; it stands here so that both versions "
        "are seen to be the same."
    ),
    # ServiceAccount and ConfigMap.
    "ServiceAccount.automountServiceAccountToken": (
        "Without it every pod of this account gets a token for Kubernetes' API as a file, and so does "
        "whoever breaks into one."
    ),
    "ConfigMap.data": (
        "Without it the ConfigMap is empty: containers that take their settings from it fall back to their "
        "own defaults."
    ),
    "ConfigMap.data.*": (
        "Without it the containers lack this setting: they use a default of their own, or do not start."
    ),
    "ConfigMap.data.PORT": (
        "Without it a service listens on its built-in port. That is the same number today; the probes and "
        "the Service break on the day when it is not."
    ),
    "ConfigMap.data.METRICS_PORT": (
        "Without it the figures are on the service's built-in port, which happens to be the one that "
        "Prometheus may call."
    ),
    "ConfigMap.data.RECOMMENDATIONS_HOST": (
        "Without it the Marketplace looks for Recommendations inside its own pod, on localhost, and shows a "
        "page without any."
    ),
    "ConfigMap.data.RECOMMENDATIONS_PORT": (
        "Without it the Marketplace calls the built-in port 50051: right, until somebody moves "
        "Recommendations."
    ),
    "ConfigMap.data.TLS_CERTIFICATE": (
        "Without it, but with the other two, the service refuses to start: TLS is half configured. Without "
        "all three it speaks to anybody, unencrypted."
    ),
    "ConfigMap.data.TLS_KEY": (
        "Without it, but with the other two, the service refuses to start: TLS is half configured. Without "
        "all three it speaks to anybody, unencrypted."
    ),
    "ConfigMap.data.TLS_CA": (
        "Without it, but with the other two, the service refuses to start: it could not tell whose "
        "certificate to trust. Without all three it speaks to anybody, unencrypted."
    ),
    "ConfigMap.data.HEALTH_PORT": (
        "Without it health is answered behind TLS only. Kubernetes' probes have no certificate to show, so "
        "the pods never become ready."
    ),
    # Service.
    "Service.spec": (
        "Without it the API server refuses the Service: it would have no port, and no pods behind it."
    ),
    "ServiceSpec.type": (
        "Without it nothing changes, since ClusterIP is the default; it says that nobody outside the "
        "cluster is meant to call."
    ),
    "ServiceSpec.clusterIP": (
        "Without `None` the name stands for one shared address. A gRPC client keeps one connection to it, "
        "so all its calls go to the same pod, and the others idle."
    ),
    "ServiceSpec.selector": (
        "Without it the Service has no pods behind it: its name is known, and every call fails."
    ),
    "ServiceSpec.selector.*": (
        "Without it the Service sends calls to the pods of other components too, or has no pods at all."
    ),
    "ServiceSpec.ports": (
        "Without it the API server refuses the Service. Only a headless one may do without: its name leads "
        "to the pods all the same."
    ),
    "ServicePort.name": (
        "Without it nothing can ask for the port by name, as our Ingress does. With a second port it is "
        "required."
    ),
    "ServicePort.port": (
        "Without it the API server refuses the Service: it would not know where clients call."
    ),
    "ServicePort.targetPort": (
        "Without it the pods are called on the same number as the Service. When the container's port "
        "changes, calls go nowhere."
    ),
    # Deployment.
    "Deployment.spec": (
        "Without it the API server refuses the Deployment: it says neither what to run nor how often."
    ),
    "DeploymentSpec.replicas": (
        "Without it there is one pod: whenever that one stops, the service is away until the next has "
        "started. (Where an autoscaler sets the number, leave it out.)"
    ),
    "DeploymentSpec.revisionHistoryLimit": (
        "Without it ten earlier versions are kept. With 0 there would be none to roll back to."
    ),
    "DeploymentSpec.progressDeadlineSeconds": (
        "Without it a rollout that is stuck counts as failed after ten minutes only; until then a pipeline "
        "waits."
    ),
    "DeploymentSpec.selector": (
        "Without it the API server refuses the Deployment: it could not tell which pods are its own."
    ),
    "DeploymentSpec.selector.matchLabels": (
        "Without it the selector is empty, and the API server refuses the Deployment."
    ),
    "DeploymentSpec.selector.matchLabels.*": (
        "Without it the Deployment takes other components' pods for its own, or is refused because its "
        "selector is empty. It cannot be changed later."
    ),
    "DeploymentSpec.strategy": (
        "Without it a quarter of the pods may be away during a rollout: one of four goes before its "
        "successor is ready."
    ),
    "DeploymentStrategy.rollingUpdate": (
        "Without it a quarter of the pods may be away during a rollout, and a quarter more be there."
    ),
    "RollingUpdateDeployment.maxSurge": (
        "Without it a quarter more pods than wanted may start at once during a rollout: with forty pods, "
        "the nodes need room for ten."
    ),
    "RollingUpdateDeployment.maxUnavailable": (
        "Without it a quarter of the pods may be stopped before new ones are ready, at the very time when "
        "the rest has more to do."
    ),
    "DeploymentSpec.template": (
        "Without it the API server refuses the Deployment: there is nothing to make pods from."
    ),
    "PodTemplateSpec.metadata": (
        "Without it the pods have no labels, the selector does not find them, and the API server refuses "
        "the Deployment."
    ),
    "PodTemplateSpec.metadata.labels": (
        "Without them the selector does not find the pods, and the API server refuses the Deployment."
    ),
    "PodTemplateSpec.metadata.labels.*": (
        "Without it whoever selects pods by this label passes them over: selectors, Services and "
        "NetworkPolicies."
    ),
    "PodTemplateSpec.metadata.labels.app.kubernetes.io/name": (
        "Without it the selector does not find the pods, and the API server refuses the Deployment. "
        "Services and NetworkPolicies would miss them as well."
    ),
    "PodTemplateSpec.metadata.labels.app.kubernetes.io/part-of": (
        "Without it the pods still run, and a list of everything that belongs to the shop leaves them out."
    ),
    "PodTemplateSpec.spec": (
        "Without it the pods would have no containers, and the API server refuses the Deployment."
    ),
    # A pod.
    "PodSpec.serviceAccountName": (
        "Without it the pods run as the namespace's account `default`. Whatever right anybody gives that "
        "account, they have too."
    ),
    "PodSpec.automountServiceAccountToken": (
        "Without it the account decides. Where it says nothing either, every container has a token for "
        "Kubernetes' API as a file."
    ),
    "PodSpec.enableServiceLinks": (
        "Without it Kubernetes puts variables for the namespace's Services into every container: one that "
        "reads MARKETPLACE_PORT finds tcp://10.0.0.1:5000 there, no number."
    ),
    "PodSpec.terminationGracePeriodSeconds": (
        "Without it a pod has 30 s from the order to stop until it is killed, preStop included. Where "
        "preStop alone takes longer, the calls in flight are cut off."
    ),
    "PodSpec.securityContext": (
        "Without it the pod asks for nothing stricter than what its image does, and a namespace that "
        "enforces `restricted` does not let it in."
    ),
    "PodSecurityContext.runAsNonRoot": (
        "Without it an image whose user is root runs as root, and `restricted` does not let the pod in."
    ),
    "PodSecurityContext.runAsUser": (
        "Without it the image decides. If it gives its user as a name, Kubernetes cannot check that it is "
        "not root, and does not start the container."
    ),
    "PodSecurityContext.runAsGroup": (
        "Without it the image decides. If it names no group, that is group 0, which may read and write what "
        "root's group may."
    ),
    "PodSecurityContext.fsGroup": (
        "Without it the mounted files belong to root alone: the service cannot read its own certificate, "
        "and does not start."
    ),
    "PodSecurityContext.seccompProfile": (
        "Without it a container may make any system call on most clusters, and `restricted` does not let "
        "the pod in."
    ),
    "SeccompProfile.type": (
        "Without it the API server refuses the pod: it is not said which profile is meant."
    ),
    "PodSpec.topologySpreadConstraints": (
        "Without them all pods may end up on one node. When that node goes down, the service goes with it."
    ),
    "TopologySpreadConstraint.topologyKey": (
        "Without it the API server refuses the pod: it is not said over what to spread, nodes or zones."
    ),
    "TopologySpreadConstraint.maxSkew": (
        "Without it the API server refuses the pod: it is not said how uneven is too uneven."
    ),
    "TopologySpreadConstraint.whenUnsatisfiable": (
        "Without it the API server refuses the pod. With DoNotSchedule in its place, a pod that cannot be "
        "spread evenly is not started until it can."
    ),
    "TopologySpreadConstraint.labelSelector": "Without it no pod is counted, so nothing is spread.",
    "TopologySpreadConstraint.labelSelector.matchLabels": (
        "Without it every pod of the namespace is counted, other components' too, and ours are not spread "
        "among themselves."
    ),
    "TopologySpreadConstraint.labelSelector.matchLabels.*": (
        "Without it other components' pods are counted too, and ours are not spread among themselves."
    ),
    "TopologySpreadConstraint.matchLabelKeys": (
        "Without it a rollout counts the old pods too. New ones keep away from nodes where old ones are "
        "about to go, and end up unevenly spread."
    ),
    "PodSpec.volumes": (
        "Without them there is nothing to mount: the API server refuses a container whose volumeMounts name "
        "one of them."
    ),
    "Volume.name": "Without it no container can mount the volume, and the API server refuses the pod.",
    "Volume.secret": (
        "Without it the volume is an empty folder: the files of the certificate are not there, and the "
        "service does not start."
    ),
    "SecretVolumeSource.secretName": (
        "Without it Kubernetes does not know which Secret's files to put here: the pod never starts."
    ),
    "SecretVolumeSource.defaultMode": (
        "Without it every user in the container may read the private key (mode 0644)."
    ),
    # A container.
    "PodSpec.containers": "Without them a pod has nothing to run, and the API server refuses it.",
    "Container.name": (
        "Without it logs, events and patches could not say which container they mean; the API server "
        "refuses the pod."
    ),
    "Container.image": "Without it there is nothing to start, and the API server refuses the pod.",
    "Container.imagePullPolicy": (
        "Without it the tag decides. With an exact one nothing changes; with `latest` every start asks the "
        "registry, and an image that was loaded by hand is not found there."
    ),
    "Container.envFrom": (
        "Without it the container gets none of the ConfigMap's settings and uses its own defaults: the "
        "Marketplace, say, looks for Recommendations on localhost."
    ),
    "EnvFromSource.configMapRef": "Without it this entry brings no variables at all.",
    "ConfigMapEnvSource.name": (
        "Without it nobody knows which ConfigMap is meant, and the API server refuses the pod."
    ),
    "Container.ports": (
        "Without them the ports can still be called by number, but have no names: probes, Services and "
        "NetworkPolicies that use a name find nothing."
    ),
    "ContainerPort.name": (
        "Without it probes, Services and NetworkPolicies can only use the number, and all have to change "
        "with it."
    ),
    "ContainerPort.containerPort": (
        "Without it the API server refuses the pod: a name alone leads to no port."
    ),
    "Container.startupProbe": (
        "Without it the liveness probe counts from the start: a container that takes long on a busy node is "
        "killed before it is up, again and again."
    ),
    "Container.readinessProbe": (
        "Without it a pod counts as ready as soon as its containers run: it gets calls before it can answer "
        "them, and a rollout goes on to the next."
    ),
    "Container.livenessProbe": (
        "Without it a process that hangs is never restarted: it neither answers nor ends."
    ),
    "Probe.httpGet": (
        "Without any action, HTTP or other, there is nothing to ask, and the API server refuses the probe."
    ),
    "HTTPGetAction.path": (
        "Without it the probe asks for `/`, the shop's page itself: slow, and dependent on others."
    ),
    "HTTPGetAction.port": "Without it the API server refuses the probe: it would not know where to ask.",
    "Probe.grpc": (
        "Without any action, gRPC or other, there is nothing to ask, and the API server refuses the probe."
    ),
    "GRPCAction.port": "Without it the API server refuses the probe: it would not know where to ask.",
    "GRPCAction.service": (
        "Without it the probe asks for the server as a whole, which may be well while this contract is not "
        "served: the pod gets calls that it cannot answer."
    ),
    "Probe.periodSeconds": (
        "Without it Kubernetes asks every ten seconds: so long may pass until a pod that is up counts as "
        "such, or one that is not as that."
    ),
    "Probe.timeoutSeconds": (
        "Without it an answer that takes more than one second counts as a failure: a busy container loses "
        "its calls, or is restarted."
    ),
    "Probe.failureThreshold": (
        "Without it three failures are enough. With a startup probe every second, that would be a restart "
        "after three seconds."
    ),
    "Container.lifecycle": (
        "Without it the container is told to stop at once, while clients and nodes still send it calls: "
        "those are refused."
    ),
    "Lifecycle.preStop": (
        "Without it the container is told to stop at once, while clients and nodes still send it calls: "
        "those are refused."
    ),
    "LifecycleHandler.sleep": (
        "Without any action there is nothing to do before the stop, and the API server refuses the handler."
    ),
    "SleepAction.seconds": (
        "Without it the API server refuses the pod: it is not said how long to go on serving."
    ),
    "Container.resources": (
        "Without it the scheduler puts any number of these containers on a node, and each may take all of "
        "it. They are also the first to be evicted."
    ),
    "ResourceRequirements.requests": (
        "Without them the limits are reserved instead: each pod holds as much as it may ever take, and "
        "fewer fit on a node. Without limits either, nothing is reserved."
    ),
    "ResourceRequirements.requests.cpu": (
        "Without it the limit is reserved. Without a limit either, a busy node gives this container next to "
        "no time, and the autoscaler has nothing to take a percentage of."
    ),
    "ResourceRequirements.requests.memory": (
        "Without it the limit is reserved. Without a limit either, the container is put on nodes that have "
        "no room for it, and is among the first to be killed there."
    ),
    "ResourceRequirements.requests.ephemeral-storage": (
        "Without it the limit is reserved. Without a limit either, the container is put on nodes whose disk "
        "is full."
    ),
    "ResourceRequirements.limits": (
        "Without them one container may use up the node, and all others on it suffer."
    ),
    "ResourceRequirements.limits.cpu": (
        "Without it the container may take every core that is idle: fast today, and slow on the day when "
        "the neighbours are busy too."
    ),
    "ResourceRequirements.limits.memory": (
        "Without it a leak takes the node's memory, until something is killed: perhaps another one's "
        "container."
    ),
    "ResourceRequirements.limits.ephemeral-storage": (
        "Without it a log or a temporary file may fill the node's disk, and then pods are evicted, not only "
        "this one."
    ),
    "Container.securityContext": (
        "Without it the container keeps capabilities of root and may gain more, and `restricted` does not "
        "let its pod in."
    ),
    "SecurityContext.allowPrivilegeEscalation": (
        "Without it a program with the setuid bit may become root, and `restricted` does not let the pod in."
    ),
    "SecurityContext.readOnlyRootFilesystem": (
        "Without it whoever breaks in can leave programs in the container, or change ours."
    ),
    "SecurityContext.capabilities": (
        "Without it the container keeps the engine's usual capabilities, such as changing the owners of "
        "files, and `restricted` does not let the pod in."
    ),
    "Capabilities.drop": (
        "Without it the container keeps the engine's usual capabilities, such as changing the owners of "
        "files, and `restricted` does not let the pod in."
    ),
    "Container.volumeMounts": (
        "Without them the volumes are not in the container: the service looks for its certificate in vain, "
        "and does not start."
    ),
    "VolumeMount.name": "Without it the API server refuses the pod: it is not said which volume goes here.",
    "VolumeMount.mountPath": (
        "Without it the API server refuses the pod: it is not said where in the container the volume goes."
    ),
    "VolumeMount.readOnly": (
        "Without it nothing changes for a Secret, which nobody can write to anyway; any other volume could "
        "be changed by the container."
    ),
    # PodDisruptionBudget.
    "PodDisruptionBudget.spec": (
        "Without it the budget covers no pods: whoever empties a node may take all of them at once."
    ),
    "PodDisruptionBudgetSpec.maxUnavailable": (
        "Without it, or minAvailable in its place, the budget does not say how many pods may go at once, "
        "which is all that it is for."
    ),
    "PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy": (
        "Without it a pod that runs but never becomes ready can keep a node from being emptied: the budget "
        "guards it like a good one."
    ),
    "PodDisruptionBudgetSpec.selector": (
        "Without it the budget covers no pods: whoever empties a node may take all of them at once."
    ),
    "PodDisruptionBudgetSpec.selector.matchLabels": (
        "Without it the budget counts every pod of the namespace as one lot: one of them away, and no node "
        "may be emptied."
    ),
    "PodDisruptionBudgetSpec.selector.matchLabels.*": (
        "Without it the budget counts other components' pods as well: one of theirs away, and ours may not "
        "move."
    ),
    # NetworkPolicy.
    "NetworkPolicy.spec": (
        "Without it no rule of ours is left: the policy forbids every incoming call in the namespace, and "
        "allows none."
    ),
    "NetworkPolicySpec.podSelector": (
        "It says for which pods the rules hold. Empty, as in deny-by-default, it means every pod of the "
        "namespace: without the labels in it, a rule for one component is a rule for all."
    ),
    "NetworkPolicySpec.podSelector.matchLabels": (
        "Without it the rules are for every pod of the namespace: what was meant for one component is "
        "allowed to all."
    ),
    "NetworkPolicySpec.podSelector.matchLabels.*": (
        "Without it the rules are for every pod of the namespace: what was meant for one component is "
        "allowed to all."
    ),
    "NetworkPolicySpec.policyTypes": (
        "Without it a policy without egress rules forbids no outgoing call: deny-by-default would shut one "
        "direction only."
    ),
    "NetworkPolicySpec.ingress": "Without it nobody may call these pods, as far as this policy goes.",
    "NetworkPolicyIngressRule.from": (
        "Without it the rule lets everybody in, from any namespace and from outside."
    ),
    "NetworkPolicyIngressRule.ports": "Without them the rule opens every port of the pods.",
    "NetworkPolicySpec.egress": (
        "Without it these pods may call nobody, as far as this policy goes: not even the name server."
    ),
    "NetworkPolicyEgressRule.to": "Without it the rule allows calls to every address there is.",
    "NetworkPolicyEgressRule.ports": "Without them the rule allows every port of those who may be called.",
    "NetworkPolicyPeer.namespaceSelector": (
        "Without it only pods of the policy's own namespace are meant: the name server and Prometheus live "
        "elsewhere, and are not found."
    ),
    "NetworkPolicyPeer.namespaceSelector.matchLabels": "Without it every namespace is meant.",
    "NetworkPolicyPeer.namespaceSelector.matchLabels.*": (
        "Without it every namespace is meant: whoever runs a pod anywhere in the cluster may pass."
    ),
    "NetworkPolicyPeer.podSelector": (
        "Without it every pod of the chosen namespaces is meant, not the one component that needs it."
    ),
    "NetworkPolicyPeer.podSelector.matchLabels": (
        "Without it every pod of the chosen namespaces is meant, not the one component that needs it."
    ),
    "NetworkPolicyPeer.podSelector.matchLabels.*": (
        "Without it every pod of the chosen namespaces is meant, not the one component that needs it."
    ),
    "NetworkPolicyPort.protocol": (
        "Without it TCP is meant. Names are mostly asked for over UDP: with TCP alone, no pod finds another "
        "by name."
    ),
    "NetworkPolicyPort.port": "Without it every port of this protocol is open.",
    # HorizontalPodAutoscaler.
    "HorizontalPodAutoscaler.spec": (
        "Without it there is nothing to scale; the API server refuses the autoscaler."
    ),
    "HorizontalPodAutoscalerSpec.scaleTargetRef": (
        "Without it the API server refuses the autoscaler: it would not know whose number to turn."
    ),
    "CrossVersionObjectReference.apiVersion": (
        "Without it the target is looked for among the oldest kinds (v1), where no Deployment is: the "
        "autoscaler does nothing."
    ),
    "CrossVersionObjectReference.kind": (
        "Without it the API server refuses the reference: several kinds may have an object of this name."
    ),
    "CrossVersionObjectReference.name": (
        "Without it the API server refuses the reference: nobody knows which object is meant."
    ),
    "HorizontalPodAutoscalerSpec.minReplicas": (
        "Without it a quiet night leaves one pod. When that one stops, the shop is closed."
    ),
    "HorizontalPodAutoscalerSpec.maxReplicas": (
        "Without it the API server refuses the autoscaler: a flood of calls could fill the whole cluster."
    ),
    "HorizontalPodAutoscalerSpec.metrics": (
        "Without it the autoscaler looks at the processor and aims at 80 % of what the pods request."
    ),
    "MetricSpec.type": "Without it the API server refuses the autoscaler: it is not said what to measure.",
    "MetricSpec.resource": (
        "Without it the API server refuses the autoscaler: the type says Resource, and none is named."
    ),
    "ResourceMetricSource.name": "Without it the API server refuses the autoscaler: processor or memory?",
    "ResourceMetricSource.target": (
        "Without it the API server refuses the autoscaler: it would not know how busy is too busy."
    ),
    "MetricTarget.type": (
        "Without it the API server refuses the autoscaler: 70 may be a percentage or an amount."
    ),
    "MetricTarget.averageUtilization": (
        "Without it the API server refuses a target of type Utilization. The lower it is, the more room "
        "there is while new pods start, and the more machines idle."
    ),
    # Ingress.
    "Ingress.spec": "Without it the Ingress leads nowhere, and the API server refuses it.",
    "IngressSpec.tls": (
        "Without it visitors reach the shop unencrypted, or get a certificate that their browser warns of."
    ),
    "IngressTLS.hosts": (
        "Without it the certificate is not tied to our name: it depends on the controller who gets to see it."
    ),
    "IngressTLS.secretName": (
        "Without it the controller has no certificate of ours to show: browsers warn of the one that it "
        "shows instead."
    ),
    "IngressSpec.rules": (
        "Without them every call goes to a default backend. Without that either, the API server refuses the "
        "Ingress."
    ),
    "IngressRule.host": (
        "Without it the rule is for every name that leads to the controller, other people's too."
    ),
    "IngressRule.http": (
        "Without it the rule names no paths, and calls for this host go to the default backend, if there is "
        "one."
    ),
    "HTTPIngressRuleValue.paths": "Without them the API server refuses the rule: it leads nowhere.",
    "HTTPIngressPath.path": (
        "Without it the API server refuses the rule; with pathType ImplementationSpecific alone it may be "
        "missing."
    ),
    "HTTPIngressPath.pathType": (
        "Without it the API server refuses the rule: `/` alone may mean the page, or everything beneath it."
    ),
    "HTTPIngressPath.backend": "Without it the API server refuses the rule: nobody answers for this path.",
    "IngressBackend.service": "Without it, or a resource in its place, the API server refuses the backend.",
    "IngressServiceBackend.name": (
        "Without it the API server refuses the backend: it is not said which Service answers."
    ),
    "IngressServiceBackend.port": (
        "Without it the API server refuses the backend: it is not said on which port the Service answers."
    ),
    "ServiceBackendPort.name": (
        "Without it the port's number has to stand here instead, and to change whenever the Service's does."
    ),
}
