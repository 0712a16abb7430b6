"""Refusals, as kube-apiserver words them: each is a ``Status`` object with an HTTP code."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kubekuma.kit.structural import Problem

if TYPE_CHECKING:
    from kubekuma.standalone.resources import Resource


class ApiError(Exception):
    """A request is refused. The only exception that the API answers with anything but 500."""

    def __init__(
        self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> dict[str, Any]:
        """The refusal as ``metav1.Status``."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({} if self.details is None else {"details": dict(self.details)}),
            "code": self.code,
        }


class NoSuchPathError(ApiError):
    """Nothing is served here: told in plain text, as there is no API to speak for."""


def no_such_path() -> ApiError:
    """Nothing is served here."""
    return NoSuchPathError(404, "NotFound", "404 page not found")


def not_found(resource: "Resource", name: str) -> ApiError:
    """There is no such object."""
    message = f'{resource.qualified} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(resource, name))


def already_exists(resource: "Resource", name: str) -> ApiError:
    """Created twice."""
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(resource, name))


def conflict(resource: "Resource", name: str, why: str) -> ApiError:
    """A precondition of the client does not hold."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def stale(resource: "Resource", name: str) -> ApiError:
    """The client has seen an older version of the object."""
    return conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try "
        "again",
    )


def invalid(resource: "Resource", name: str, problems: Sequence[Problem]) -> ApiError:
    """The object breaks rules of its schema: one cause for each."""
    told = [str(problem) for problem in problems]
    listed = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    causes = [
        {"reason": problem.reason, "message": problem.message, "field": problem.path}
        for problem in problems
    ]
    details = {**_details(resource, name), "kind": resource.kind, "causes": causes}
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {listed}', details)


def unconditional(resource: "Resource", name: str) -> ApiError:
    """The client does not say which version it replaces."""
    where, why = "metadata.resourceVersion", "Invalid value: 0: must be specified for an update"
    cause = {"reason": "FieldValueInvalid", "message": why, "field": where}
    message = f'{resource.qualified} "{name}" is invalid: {where}: {why}'
    return ApiError(422, "Invalid", message, {**_details(resource, name), "causes": [cause]})


def wrong_patch() -> ApiError:
    """A patch does not fit the object. That is all that kube-apiserver says."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, {})


def invalid_options(kind: str, *problems: Problem) -> ApiError:
    """Parameters of the request are wrong."""
    causes = [
        {"reason": problem.reason, "message": problem.message, "field": problem.path}
        for problem in problems
    ]
    details = {"group": "meta.k8s.io", "kind": kind, "causes": causes}
    told = [str(problem) for problem in problems]
    listed = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    return ApiError(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {listed}', details)


def bad_request(message: str) -> ApiError:
    """The request itself makes no sense."""
    return ApiError(400, "BadRequest", message)


def expired(message: str) -> ApiError:
    """The client asks for a past that is no longer kept."""
    return ApiError(410, "Expired", message)


def from_the_future(asked: int, current: int) -> ApiError:
    """The client has seen a resourceVersion that this server never gave."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return ApiError(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def forbidden(resource: "Resource", name: str, why: str) -> ApiError:
    """Nobody may do this."""
    message = f'{resource.qualified} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, _details(resource, name))


def namespace_not_found(namespace: str) -> ApiError:
    """There is no such namespace to create anything in."""
    details = {"name": namespace, "kind": "namespaces"}
    return ApiError(404, "NotFound", f'namespaces "{namespace}" not found', details)


def namespace_terminating(resource: "Resource", name: str, namespace: str) -> ApiError:
    """The namespace is being deleted."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    message = f'{resource.qualified} "{name}" is forbidden: {why}'
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    details = {**_details(resource, name), "causes": [cause]}
    return ApiError(403, "Forbidden", message, details)


def definition_terminating() -> ApiError:
    """The definition of the kind is being deleted."""
    message = "create not allowed while custom resource definition is terminating"
    return ApiError(405, "MethodNotAllowed", message)


def unauthorized() -> ApiError:
    """No token, or not ours."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    """The document at this path is only to be read."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def no_such_verb(resource: "Resource", verb: str) -> ApiError:
    """The resource has no such verb."""
    message = f'{verb} is not supported on resources of kind "{resource.qualified}"'
    return ApiError(405, "MethodNotAllowed", message, _details(resource, ""))


def too_large(limit: int) -> ApiError:
    """The body is longer than anybody needs."""
    message = f"Request entity too large: limit is {limit}"
    return ApiError(413, "RequestEntityTooLarge", message)


def unsupported_media_type(supported: Sequence[str]) -> ApiError:
    """The body is in a form that we do not read."""
    message = (
        "the body of the request was in an unknown format - "
        f"accepted media types include: {', '.join(supported)}"
    )
    return ApiError(415, "UnsupportedMediaType", message)


def not_acceptable(supported: Sequence[str]) -> ApiError:
    """The client takes no form of answer that we have."""
    message = "only the following media types are accepted: " + ", ".join(supported)
    return ApiError(406, "NotAcceptable", message)


def internal_error(why: str) -> ApiError:
    """It is our fault."""
    return ApiError(500, "InternalError", f"Internal error occurred: {why}")


def _details(resource: "Resource", name: str) -> dict[str, Any]:
    group = {"group": resource.group} if resource.group else {}
    return {**({"name": name} if name else {}), **group, "kind": resource.plural}
