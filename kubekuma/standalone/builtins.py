"""The kinds that the API knows by itself: enough of each for monitors and for ``k8s`` checks."""

from collections.abc import Mapping
from typing import Any, Final

from kubekuma.standalone.policy import RBAC
from kubekuma.standalone.resources import CRDS, VERBS, Column, Resource

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer", "format": "int32"}
_TIME: Final = {"type": "string", "format": "date-time"}
_FREE: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_TEXTS: Final = {"type": "object", "additionalProperties": _TEXT}


def _struct(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list_map(*keys: str) -> dict[str, Any]:
    return {
        "type": "array",
        "items": _FREE,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": list(keys),
    }


_REFERENCE: Final = _struct(
    kind=_TEXT,
    namespace=_TEXT,
    name=_TEXT,
    uid=_TEXT,
    apiVersion=_TEXT,
    resourceVersion=_TEXT,
    fieldPath=_TEXT,
)
_SOURCE: Final = _struct(component=_TEXT, host=_TEXT)
_SERIES: Final = _struct(count=_NUMBER, lastObservedTime=_TIME)
_CONDITIONED: Final = {
    **_FREE,
    "properties": {"conditions": _list_map("type")},
}
_POD_SPEC: Final = {**_FREE, "properties": {"containers": _list_map("name")}}
_TEMPLATE: Final = {**_FREE, "properties": {"spec": _POD_SPEC}}
_WORKLOAD: Final = _struct(
    spec={**_FREE, "properties": {"template": _TEMPLATE}}, status=_CONDITIONED
)

_LIST: Final = {"type": "array", "items": _TEXT}
_RULES: Final = {
    "type": "array",
    "nullable": True,
    "items": {
        **_struct(
            apiGroups=_LIST,
            resources=_LIST,
            resourceNames=_LIST,
            nonResourceURLs=_LIST,
            verbs=_LIST,
        ),
        "required": ["verbs"],
    },
}
_SUBJECT: Final = {
    **_struct(apiGroup=_TEXT, kind=_TEXT, name=_TEXT, namespace=_TEXT),
    "required": ["kind", "name"],
}
_BINDING: Final = {
    **_struct(
        roleRef={
            **_struct(apiGroup=_TEXT, kind={**_TEXT, "enum": ["Role", "ClusterRole"]}, name=_TEXT),
            "required": ["kind", "name"],
        },
        subjects={"type": "array", "nullable": True, "items": _SUBJECT},
    ),
    "required": ["roleRef"],
}
_AGE: Final = Column("Age", "date", ".metadata.creationTimestamp")
_CREATED: Final = Column("Created At", "string", ".metadata.creationTimestamp")


def _resource(api_version: str, kind: str, plural: str, schema: Any, **more: Any) -> Resource:
    group, _, version = api_version.rpartition("/")
    return Resource(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        schema=schema,
        **{
            "storage": f"{plural}.{group}" if group else plural,
            "columns": (_AGE,),
            **more,
        },
    )


_EVENT_COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    version: (
        Column("Last Seen", "date", f".{last}"),
        Column("Type", "string", ".type"),
        Column("Reason", "string", ".reason"),
        Column("Object", "string", f".{about}.name"),
        Column("Message", "string", f".{said}"),
    )
    for version, last, about, said in (
        ("v1", "lastTimestamp", "involvedObject", "message"),
        ("events.k8s.io/v1", "deprecatedLastTimestamp", "regarding", "note"),
    )
}
_READY: Final = Column("Ready", "integer", ".status.readyReplicas")

BUILTINS: Final = (
    _resource(
        "v1",
        "Namespace",
        "namespaces",
        _struct(
            spec=_struct(finalizers={"type": "array", "items": _TEXT}), status=_struct(phase=_TEXT)
        ),
        namespaced=False,
        has_status=True,
        # Not all of them at once.
        verbs=tuple(each for each in VERBS if each != "deletecollection"),
        short_names=("ns",),
        columns=(Column("Status", "string", ".status.phase"), _AGE),
    ),
    _resource(
        "v1",
        "Secret",
        "secrets",
        _struct(
            data={
                "type": "object",
                "additionalProperties": {"type": "string", "format": "byte"},
                "description": "The secret data, base64 encoded.",
            },
            stringData={**_TEXTS, "description": "As data, but plain; write-only."},
            type={**_TEXT, "default": "Opaque"},
            immutable={"type": "boolean"},
        ),
        columns=(Column("Type", "string", ".type"), Column("Data", "integer", "#data"), _AGE),
    ),
    _resource(
        "v1",
        "ConfigMap",
        "configmaps",
        _struct(data=_TEXTS, binaryData=_TEXTS, immutable={"type": "boolean"}),
        short_names=("cm",),
        columns=(Column("Data", "integer", "#data"), _AGE),
    ),
    _resource(
        "v1",
        "Event",
        "events",
        _struct(
            involvedObject=_REFERENCE,
            reason=_TEXT,
            message=_TEXT,
            source=_SOURCE,
            firstTimestamp={**_TIME, "nullable": True},
            lastTimestamp={**_TIME, "nullable": True},
            count=_NUMBER,
            type=_TEXT,
            eventTime={**_TIME, "nullable": True},
            series=_SERIES,
            action=_TEXT,
            related=_REFERENCE,
            reportingComponent=_TEXT,
            reportingInstance=_TEXT,
        ),
        short_names=("ev",),
        columns=_EVENT_COLUMNS["v1"],
    ),
    _resource(
        "events.k8s.io/v1",
        "Event",
        "events",
        _struct(
            regarding=_REFERENCE,
            reason=_TEXT,
            note=_TEXT,
            deprecatedSource=_SOURCE,
            deprecatedFirstTimestamp={**_TIME, "nullable": True},
            deprecatedLastTimestamp={**_TIME, "nullable": True},
            deprecatedCount=_NUMBER,
            type=_TEXT,
            eventTime={**_TIME, "nullable": True},
            series=_SERIES,
            action=_TEXT,
            related=_REFERENCE,
            reportingController=_TEXT,
            reportingInstance=_TEXT,
        ),
        short_names=("ev",),
        storage="events",
        columns=_EVENT_COLUMNS["events.k8s.io/v1"],
    ),
    _resource(
        "v1",
        "Service",
        "services",
        _struct(
            spec={**_FREE, "properties": {"ports": _list_map("port", "protocol")}},
            status=_CONDITIONED,
        ),
        has_status=True,
        short_names=("svc",),
        columns=(
            Column("Type", "string", ".spec.type"),
            Column("Cluster-IP", "string", ".spec.clusterIP"),
            _AGE,
        ),
    ),
    _resource(
        "v1",
        "Pod",
        "pods",
        _struct(spec=_POD_SPEC, status=_CONDITIONED),
        has_status=True,
        short_names=("po",),
        columns=(Column("Status", "string", ".status.phase"), _AGE),
    ),
    _resource(
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        _FREE,
        short_names=("sa",),
    ),
    _resource("v1", "Endpoints", "endpoints", _FREE, short_names=("ep",)),
    _resource(
        "coordination.k8s.io/v1",
        "Lease",
        "leases",
        _struct(
            spec=_struct(
                holderIdentity=_TEXT,
                leaseDurationSeconds={**_NUMBER, "minimum": 1},
                acquireTime=_TIME,
                renewTime=_TIME,
                leaseTransitions={**_NUMBER, "minimum": 0},
                strategy=_TEXT,
                preferredHolder=_TEXT,
            )
        ),
        columns=(Column("Holder", "string", ".spec.holderIdentity"), _AGE),
    ),
    _resource(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        {
            "type": "object",
            "required": ["spec"],
            "properties": {
                "spec": {
                    **_FREE,
                    "required": ["group", "names", "scope", "versions"],
                    "properties": {
                        "group": _TEXT,
                        "scope": {**_TEXT, "enum": ["Cluster", "Namespaced"]},
                        "names": {
                            **_FREE,
                            "required": ["plural", "kind"],
                            "properties": {"plural": _TEXT, "kind": _TEXT, "singular": _TEXT},
                        },
                        "versions": {
                            "type": "array",
                            "minItems": 1,
                            "items": {
                                "type": "object",
                                "required": ["name", "served", "storage", "schema"],
                                "properties": {
                                    "name": _TEXT,
                                    "served": {"type": "boolean"},
                                    "storage": {"type": "boolean"},
                                    "deprecated": {"type": "boolean"},
                                    "deprecationWarning": _TEXT,
                                    "schema": _struct(openAPIV3Schema=_FREE),
                                    "subresources": _FREE,
                                    "additionalPrinterColumns": {"type": "array", "items": _FREE},
                                    "selectableFields": {"type": "array", "items": _FREE},
                                },
                            },
                        },
                    },
                },
                "status": _CONDITIONED,
            },
        },
        namespaced=False,
        has_status=True,
        short_names=("crd", "crds"),
        columns=(_CREATED,),
        storage=CRDS,
    ),
    *(
        _resource(
            "apps/v1",
            kind,
            plural,
            _WORKLOAD,
            has_status=True,
            short_names=(short,),
            categories=("all",),
            columns=(_READY, _AGE),
        )
        for kind, plural, short in (
            ("Deployment", "deployments", "deploy"),
            ("StatefulSet", "statefulsets", "sts"),
            ("DaemonSet", "daemonsets", "ds"),
            ("ReplicaSet", "replicasets", "rs"),
        )
    ),
    _resource(
        "batch/v1",
        "Job",
        "jobs",
        _WORKLOAD,
        has_status=True,
        categories=("all",),
        columns=(Column("Completions", "integer", ".status.succeeded"), _AGE),
    ),
    _resource(
        "batch/v1",
        "CronJob",
        "cronjobs",
        _WORKLOAD,
        has_status=True,
        short_names=("cj",),
        categories=("all",),
        columns=(Column("Last Schedule", "date", ".status.lastScheduleTime"), _AGE),
    ),
    _resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", _FREE),
    _resource(
        "networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", _FREE, short_names=("netpol",)
    ),
    _resource(
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        _struct(spec=_FREE, status=_CONDITIONED),
        has_status=True,
        short_names=("pdb",),
    ),
    *(
        _resource(
            f"{RBAC}/v1",
            f"{scope}Role",
            f"{scope.lower()}roles",
            _struct(rules=_RULES, **more),
            namespaced=not scope,
            columns=(_CREATED,),
        )
        for scope, more in (("", {}), ("Cluster", {"aggregationRule": _FREE}))
    ),
    *(
        _resource(
            f"{RBAC}/v1",
            f"{scope}RoleBinding",
            f"{scope.lower()}rolebindings",
            _BINDING,
            namespaced=not scope,
            columns=(Column("Role", "string", ".roleRef.name"), _AGE),
        )
        for scope in ("", "Cluster")
    ),
    *(
        _resource(
            "authorization.k8s.io/v1",
            kind,
            f"{kind.lower()}s",
            _struct(spec=_FREE, status=_FREE),
            namespaced=False,
            verbs=("create",),
        )
        for kind in ("SelfSubjectAccessReview", "SelfSubjectRulesReview")
    ),
)
