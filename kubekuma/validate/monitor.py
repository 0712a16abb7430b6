"""Rules for Monitors that their schema cannot express."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from kubekuma.kit.pattern import occurs
from kubekuma.model.criteria import (
    DECIMAL,
    Expectation,
    HttpCriteria,
    JsonQueryCriteria,
    KeywordCriteria,
    Op,
    ServiceCriteria,
)
from kubekuma.model.monitor import Monitor, MonitorSpec
from kubekuma.model.settings import SettingsSpec
from kubekuma.model.target import (
    Extract,
    GrpcTarget,
    Header,
    HttpTarget,
    MqttTarget,
    NtpTarget,
    OAuth2ClientCredentials,
    PingTarget,
    RadiusTarget,
    Resolver,
    ServiceTarget,
    SipTarget,
    SnmpTarget,
    SshTarget,
    SteamTarget,
    TcpTarget,
    Tls,
    TlsCertificateTarget,
    UdpTarget,
    WebsocketTarget,
)
from kubekuma.validate import text
from kubekuma.validate.declared import declared, parts_of
from kubekuma.validate.rule import FieldError, Rule, at, each, if_present, joined, must

_OF_CONNECTIONS: Final = ("connected", "latencyMs", "peer", "certificateDays")
# What ``expect`` can be about, by the target that a check looks at; others know no checker yet.
_VALUES: Final = {
    "http": ("status", "body", "header.", "json(", "length(", *_OF_CONNECTIONS),
    "tcp": ("output", *_OF_CONNECTIONS),
}

_NUMERIC: Final = frozenset({Op.LT, Op.LTE, Op.GT, Op.GTE})


def monitor_rules(monitor: Monitor) -> Iterator[FieldError]:
    """Everything that is wrong with ``monitor``, whatever the settings say."""
    spec = monitor.spec
    yield from (_below("spec", error) for error in declared(spec))
    for path, part in parts_of(spec):
        for rule in _rules(type(part)):
            yield from (_below(joined("spec", path), error) for error in rule(part))
    yield from (_below("spec", error) for error in _known_value(spec))
    for index, ref in enumerate(spec.depends_on):
        if (ref.namespace or monitor.meta.key.namespace, ref.name) == monitor.meta.key:
            yield FieldError(f"spec.dependsOn[{index}]", "must not be the monitor itself")


def monitor_under(spec: MonitorSpec, settings: SettingsSpec) -> Iterator[FieldError]:
    """What of ``spec`` is wrong under these settings."""
    least = settings.scheduler.min_interval_seconds
    if spec.schedule.interval_seconds < least:
        yield FieldError(
            "spec.schedule.intervalSeconds",
            f"must be at least {least}, the settings' scheduler.minIntervalSeconds",
        )


def _below(path: str, error: FieldError) -> FieldError:
    return FieldError(joined(path, error.path), error.message)


def _codes(criteria: HttpCriteria) -> Iterator[FieldError]:
    for index, code in enumerate(criteria.accepted_status_codes):
        low, _, high = code.partition("-")
        # As texts: all codes have three digits, and what has not is the schema's to refuse.
        if high and low > high:
            yield FieldError(f"acceptedStatusCodes[{index}]", "must begin with the lower code")


def _expectation(it: Expectation) -> Iterator[FieldError]:
    for function in ("json(", "length("):
        if it.value.startswith(function):
            path = it.value.removeprefix(function).removesuffix(")")
            yield from (_below("value", error) for error in text.json_path(path))
    if it.to is None:
        return
    if it.op in _NUMERIC and not _is_number(it.to):
        yield FieldError("to", f"must be a number when op is {it.op}")
    if it.op is Op.IN and not isinstance(it.to, (list, tuple)):
        yield FieldError("to", "must be a list when op is in")
    if it.op is Op.MATCHES:
        if isinstance(it.to, str):
            yield from (_below("to", error) for error in text.pattern(it.to))
        else:
            yield FieldError("to", "must be an RE2 pattern when op is matches")


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return occurs(DECIMAL, value)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _one_host(headers: tuple[Header, ...]) -> bool:
    return sum(header.name.lower() == "host" for header in headers) <= 1


def resolver(it: Resolver) -> Iterable[FieldError]:
    """Yield what is wrong with the address of a DNS server: only certificates need a name."""
    grammar = text.host if it.transport.is_encrypted else text.address
    return (_below("address", error) for error in grammar(it.address))


def _known_value(spec: MonitorSpec) -> Iterator[FieldError]:
    known = _VALUES.get(spec.type.target_field)
    for index, expected in enumerate(spec.success_criteria.expect):
        if known is not None and not expected.value.startswith(known):
            said = f"must be one of {', '.join(map(_completed, known))} when type is {spec.type}"
            yield FieldError(f"successCriteria.expect[{index}].value", said)


def _completed(start: str) -> str:
    return start + {".": "<name>", "(": "<path>)"}.get(start[-1], "")


def _host_of(it: Any) -> str:
    host: str = it.host
    return host


_host: Rule[Any] = at("host", _host_of, text.host)
_patterns: Rule[tuple[str, ...] | None] = if_present(each(text.pattern))

# What each class of the model asks for beyond its schema and its declared rules.
BY_CLASS: Final[Mapping[type, tuple[Rule[Any], ...]]] = {
    HttpTarget: (
        at("url", lambda it: it.url, text.url),
        at(
            "method",
            lambda it: it.method,
            must(lambda it: it != "CONNECT", "must not be CONNECT: nothing is tunnelled"),
        ),
        at("headers", lambda it: it.headers, must(_one_host, "must have one Host at most")),
    ),
    Header: (
        at("name", lambda it: it.name, text.header_name),
        at("value", lambda it: it.value, if_present(text.header_value)),
    ),
    Tls: (at("sni", lambda it: it.sni, if_present(text.host)),),
    Resolver: (resolver,),
    WebsocketTarget: (
        at("url", lambda it: it.url, text.websocket_url),
        at("expect", lambda it: it.expect, if_present(text.pattern)),
    ),
    OAuth2ClientCredentials: (at("tokenUrl", lambda it: it.token_url, text.url),),
    TcpTarget: (_host, at("expect", lambda it: it.expect, if_present(text.pattern))),
    UdpTarget: (_host, at("expect", lambda it: it.expect, if_present(text.pattern))),
    MqttTarget: (at("expect", lambda it: it.expect, if_present(text.pattern)),),
    Extract: (
        at("jsonPath", lambda it: it.json_path, if_present(text.json_path)),
        at("regex", lambda it: it.regex, if_present(text.pattern)),
    ),
    HttpCriteria: (_codes,),
    KeywordCriteria: (at("regex", lambda it: it.regex, _patterns),),
    JsonQueryCriteria: (
        at("path", lambda it: it.path, text.json_path),
        at("matches", lambda it: it.matches, if_present(text.pattern)),
    ),
    ServiceCriteria: (
        at("pattern", lambda it: it.pattern, if_present(text.pattern)),
        at(
            "minValue",
            lambda it: it,
            must(
                lambda it: (
                    it.min_value is None or it.max_value is None or it.min_value <= it.max_value
                ),
                "must not be greater than maxValue",
            ),
        ),
    ),
    Expectation: (_expectation,),
    **dict.fromkeys(
        (
            GrpcTarget,
            NtpTarget,
            PingTarget,
            RadiusTarget,
            ServiceTarget,
            SipTarget,
            SnmpTarget,
            SshTarget,
            SteamTarget,
        ),
        (_host,),
    ),
    TlsCertificateTarget: (_host, at("sni", lambda it: it.sni, if_present(text.host))),
}


def _rules(cls: type) -> Iterator[Callable[[Any], Any]]:
    for known in cls.__mro__:
        yield from BY_CLASS.get(known, ())
