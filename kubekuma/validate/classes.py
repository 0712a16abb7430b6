"""What each class of the model asks for beyond its schema and its declared rules."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from kubekuma.kit.pattern import occurs
from kubekuma.kit.placeholder import compact
from kubekuma.model.criteria import (
    DECIMAL,
    Expectation,
    HttpCriteria,
    JsonQueryCriteria,
    KeywordCriteria,
    Op,
    ServiceCriteria,
)
from kubekuma.model.maintenance import Recurrence, WindowSchedule
from kubekuma.model.policy import ActiveTime
from kubekuma.model.provider import (
    AlertmanagerConfig,
    GotifyConfig,
    MatrixConfig,
    NtfyConfig,
    PagerdutyConfig,
    SmtpConfig,
    TelegramConfig,
    WebhookConfig,
)
from kubekuma.model.status_page import Access, PageSpec
from kubekuma.model.target import (
    DockerTarget,
    Extract,
    GrpcTarget,
    Header,
    HttpTarget,
    MqttTarget,
    NtpTarget,
    OAuth2ClientCredentials,
    PingTarget,
    PushTarget,
    RadiusTarget,
    Resolver,
    ScenarioTarget,
    ServiceTarget,
    SipTarget,
    SnmpTarget,
    SshTarget,
    SteamTarget,
    StepRequest,
    TcpTarget,
    Tls,
    TlsCertificateTarget,
    UdpTarget,
    WebsocketTarget,
)
from kubekuma.validate import text
from kubekuma.validate.declared import declared, parts_of
from kubekuma.validate.rule import FieldError, Rule, at, below, each, if_present, joined, must
from kubekuma.validate.scenario import scenario_rules

_NUMERIC: Final = frozenset({Op.LT, Op.LTE, Op.GT, Op.GTE})


def part_rules(spec: Any) -> Iterator[FieldError]:
    """What ``spec``, or any part of it alone, does not hold to; paths begin with ``spec``."""
    parts = list(parts_of(spec))
    yield from (below("spec", error) for error in declared(parts))
    for path, part in parts:
        cls: Any = type(part)
        for rule in _rules(cls):
            yield from (below(joined("spec", path), error) for error in rule(part))


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
            yield from (below("value", error) for error in text.json_path(path))
    if it.to is None:
        return
    if it.op in _NUMERIC and not _is_number(it.to):
        yield FieldError("to", f"must be a number when op is {it.op}")
    if it.op is Op.IN and not isinstance(it.to, (list, tuple)):
        yield FieldError("to", "must be a list when op is in")
    if it.op is Op.MATCHES:
        if isinstance(it.to, str):
            yield from (below("to", error) for error in text.pattern(it.to))
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
    return (below("address", error) for error in grammar(it.address))


def _host_of(it: Any) -> str:
    host: str = it.host
    return host


def _url_of(it: HttpTarget) -> str:
    return compact(it.url) if isinstance(it, StepRequest) else it.url


_host: Rule[Any] = at("host", _host_of, text.host)
_time_zone: Rule[Any] = at("timezone", lambda it: it.timezone, text.time_zone)
_patterns: Rule[tuple[str, ...] | None] = if_present(each(text.pattern))

# What each class of the model asks for beyond its schema and its declared rules.
BY_CLASS: Final[Mapping[type, tuple[Rule[Any], ...]]] = {
    HttpTarget: (
        at("url", _url_of, text.url),
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
    DockerTarget: (at("host", lambda it: it.host, text.engine),),
    UdpTarget: (_host, at("expect", lambda it: it.expect, if_present(text.pattern))),
    MqttTarget: (at("expect", lambda it: it.expect, if_present(text.pattern)),),
    Extract: (
        at("jsonPath", lambda it: it.json_path, if_present(text.json_path)),
        at("regex", lambda it: it.regex, if_present(text.pattern_with_a_group)),
    ),
    ScenarioTarget: (scenario_rules,),
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
    PushTarget: (_time_zone, at("schedule", lambda it: it.schedule, if_present(text.cron))),
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
    ActiveTime: (_time_zone,),
    WindowSchedule: (_time_zone,),
    Recurrence: (at("rrule", lambda it: it.rrule, text.recurrence),),
    PageSpec: (_time_zone,),
    Access: (at("cidrs", lambda it: it.cidrs, if_present(each(text.cidr))),),
    SmtpConfig: (_host,),
    WebhookConfig: (at("url", lambda it: it.url, if_present(text.url)),),
    AlertmanagerConfig: (at("urls", lambda it: it.urls, each(text.url)),),
    MatrixConfig: (at("homeserverUrl", lambda it: it.homeserver_url, text.url),),
    TelegramConfig: (at("apiUrl", lambda it: it.api_url, text.url),),
    PagerdutyConfig: (at("apiUrl", lambda it: it.api_url, text.url),),
    GotifyConfig: (at("url", lambda it: it.url, text.url),),
    NtfyConfig: (at("url", lambda it: it.url, text.url),),
    TlsCertificateTarget: (_host, at("sni", lambda it: it.sni, if_present(text.host))),
}


@cache
def _rules(cls: Any) -> tuple[Rule[Any], ...]:
    return tuple(rule for known in cls.__mro__ for rule in BY_CLASS.get(known, ()))
