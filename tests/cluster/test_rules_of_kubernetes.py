"""The functions that Kubernetes adds to CEL say the same here as in the real machinery."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import httpx
import pytest
from support.clusters import Cluster
from support.embedded import widgets_definition

pytestmark = pytest.mark.cluster

# An expression over a text, the texts of which it holds, and those of which it does not.
RULES: list[tuple[str, list[str], list[str]]] = [
    (
        "isQuantity(self)",
        ["1", "1.5", "-2Gi", "1e3", "+1m", "0"],
        ["", "1 Gi", "1gi", "1.2.3"],
    ),
    (
        "quantity(self).isGreaterThan(quantity('1Gi'))",
        ["1025Mi", "2G", "1Ti", "1e12"],
        ["1Gi", "1024Mi", "1G", "-5Gi"],
    ),
    ("quantity(self).isLessThan(quantity('100m'))", ["99m", "0", "-1"], ["100m", "0.1", "1"]),
    ("quantity(self).compareTo(quantity('1500m')) == 0", ["1.5", "1500m"], ["1.6", "1"]),
    ("quantity(self).add(quantity('500m')).compareTo(quantity('2')) == 0", ["1.5"], ["1", "2"]),
    ("quantity(self).sub(1).isGreaterThan(quantity('1'))", ["3", "2001m"], ["2", "1"]),
    ("quantity(self).isInteger()", ["1", "1k", "100"], ["1.5", "1m"]),
    ("quantity(self).isInteger() && quantity(self).asInteger() == 1000", ["1k", "1000"], ["1M"]),
    ("quantity(self).asApproximateFloat() < 1.0", ["0.5", "1m"], ["1", "5"]),
    ("isIP(self)", ["127.0.0.1", "::1", "2001:db8::1"], ["x", "1.2.3", "01.2.3.4", "fe80::1%eth0"]),
    ("isIP(self) && ip(self).family() == 6", ["::1"], ["127.0.0.1"]),
    ("ip(self).isLoopback()", ["127.0.0.1", "::1"], ["10.0.0.1"]),
    ("ip(self).isUnspecified()", ["::"], ["10.0.0.1"]),
    ("ip(self).isGlobalUnicast()", ["10.0.0.1", "8.8.8.8"], ["127.0.0.1", "224.0.0.1"]),
    ("ip(self).isLinkLocalUnicast()", ["169.254.1.1", "fe80::1"], ["10.0.0.1"]),
    ("ip(self).isLinkLocalMulticast()", ["224.0.0.5", "ff02::1"], ["224.0.1.5"]),
    ("ip.isCanonical(self)", ["::1", "127.0.0.1"], ["0:0:0:0:0:0:0:1", "2001:DB8::1"]),
    ("isCIDR(self)", ["10.0.0.0/8", "::/0", "10.0.0.1/8"], ["10.0.0.0", "10.0.0.0/33", "x/8"]),
    ("cidr('10.0.0.0/8').containsIP(self)", ["10.1.2.3"], ["11.0.0.1"]),
    ("cidr('10.0.0.0/8').containsIP(ip(self))", ["10.1.2.3"], ["11.0.0.1"]),
    ("cidr('10.0.0.0/8').containsCIDR(self)", ["10.1.0.0/16", "10.0.0.0/8"], ["0.0.0.0/0", "::/8"]),
    ("cidr(self).prefixLength() == 24", ["192.0.2.0/24"], ["192.0.2.0/25"]),
    ("cidr(self).ip().isLoopback()", ["127.0.0.1/8"], ["10.0.0.0/8"]),
    ("cidr(self).masked() == cidr('192.0.2.0/24')", ["192.0.2.7/24"], ["192.0.3.7/24"]),
    ("isURL(self)", ["https://a.example/b?c", "/path"], ["a.example", "", "x y"]),
    ("isURL(self) && url(self).getScheme() == 'https'", ["https://a"], ["http://a", "nonsense"]),
    ("url(self).getHost() == 'a:80'", ["http://a:80/b"], ["http://a/b"]),
    ("url(self).getHostname() == '::1'", ["http://[::1]:80/"], ["http://a/"]),
    ("url(self).getPort() == '80'", ["http://a:80/b"], ["http://a/b"]),
    ("url(self).getEscapedPath() == '/b'", ["http://a/b?c=d"], ["http://a/"]),
    ("url(self).getQuery()['q'] == ['1', '2']", ["http://a/?q=1&q=2"], ["http://a/?q=1"]),
    ("self.find('[0-9]+') == '12'", ["a12b3"], ["a3b12", "ab"]),
    ("self.findAll('[0-9]') == ['1', '2']", ["a1b2"], ["a12b3", "ab"]),
    ("self.lowerAscii() == 'abc' && self.upperAscii() == 'ABC'", ["aBc"], ["ab"]),
    ("self.replace('a', 'b', 1) == 'ba'", ["aa"], ["ab"]),
    ("self.substring(1, 3) == 'bc'", ["abcd"], ["xbxc"]),
    ("self.trim() == 'a'", [" a ", "a"], ["b"]),
    ("'%s:%d'.format([self, 7]) == 'a:7'", ["a"], ["b"]),
    ("'%.1f|%x|%b'.format([2.25, 255, 5]) == self", ["2.2|ff|101"], ["x"]),
    (
        "!format.dns1123Label().validate(self).hasValue()",
        ["a-b", "0"],
        ["a.b", "-a", "a" * 64],
    ),
    ("!format.dns1123Subdomain().validate(self).hasValue()", ["a.b", "a"], ["a..b", "A.b"]),
    ("!format.qualifiedName().validate(self).hasValue()", ["a.b/c_D", "c"], ["/c", "a/b/c", ""]),
    ("!format.labelValue().validate(self).hasValue()", ["", "a_B.c"], ["-a", "a b"]),
    ("!format.uuid().validate(self).hasValue()", ["123e4567-e89b-12d3-a456-426614174000"], ["x"]),
    ("!format.byte().validate(self).hasValue()", ["aGVsbG8="], ["%%"]),
    ("!format.date().validate(self).hasValue()", ["2026-02-28"], ["2026-02-30", "x"]),
    ("format.named(self).hasValue()", ["uri", "byte"], ["nonsense"]),
    ("isSemver(self)", ["1.2.3", "0.0.1-rc.1+build"], ["1.2", "v1.2.3", "01.2.3"]),
    ("semver(self).isGreaterThan(semver('1.9.0'))", ["1.10.0", "2.0.0-rc"], ["1.9.0", "1.9.0-a"]),
    ("semver(self).major() == 1 && semver(self).minor() == 2", ["1.2.9"], ["2.1.0"]),
]

# Expressions over a text that give a text, and texts to try them with: where they cannot be
# evaluated, both servers say nothing of it.
TEXTS: list[tuple[str, list[str]]] = [
    ("string(isQuantity(self))", ["+", "-", ".", "1.", ".5", "Ki", "m", "1e", "1E", "1E1", "0x1"]),
    ("string(isQuantity(self))", ["1e+3", "1e-3", "1Kim", "1,5", "9" * 40, "1e1000", "1Ei2"]),
    (
        "'%s %s'.format([quantity(self).isInteger(), quantity(self) == quantity('1')])",
        ["1000m", "1", "1.0", "1k", "0.5", "1e3", "1024Ki", "9" * 18, "9" * 19, "9E", "10E", "8Ei"],
    ),
    (
        "string(quantity(self).add(quantity('0.5')).add(quantity('500m')).isInteger())",
        ["1", "0"],
    ),
    (
        "string(quantity(self).add(1).sub(1).isInteger())",
        ["1", "0", "0m", "1m", "9223372036854775807"],
    ),
    ("string(quantity(self).sub(1).asInteger())", ["1", "5Ki", "-1", "1.5"]),
    ("string(quantity(self).asApproximateFloat())", ["1.5", "1Ki", "1e9", "1n", "0.1n", "-2m"]),
    ("string(sign(quantity(self)))", ["-1", "0", "5m"]),
    ("string(ip(self))", ["::1", "0:0:0:0:0:0:0:1", "2001:DB8::0:1", "::ffff:1.2.3.4", "1.2.3.04"]),
    ("string(isIP(self))", ["::ffff:1.2.3.4", "::1.2.3.4", "1::2::3", "1.2.3.4 ", "fe80::1%1"]),
    (
        "string(isCIDR(self))",
        ["10.0.0.0/08", "10.0.0.0/+8", "::/129", "::/128", "1.2.3.4/8/8", "/8"],
    ),
    (
        "'%s %s'.format([string(cidr(self)), string(cidr(self).masked())])",
        ["10.1.2.3/8", "2001:DB8::1/32"],
    ),
    (
        "'%s %s'.format([cidr(self).ip().family(), cidr(self).prefixLength()])",
        ["::1/64", "1.1.1.1/0"],
    ),
    ("string(cidr('10.0.0.0/8').containsIP(self))", ["::1", "10.0.0.1", "x"]),
    ("string(cidr('2001:db8::/32').containsCIDR(cidr(self)))", ["2001:db8:1::/48", "10.0.0.0/8"]),
    (
        (
            "'%s'.format([[ip(self).isGlobalUnicast(), ip(self).isLinkLocalUnicast(),"
            " ip(self).isLinkLocalMulticast(), ip(self).isLoopback()]])"
        ),
        ["255.255.255.255", "127.8.8.8", "fe80::1", "ff02::1", "ff12::1", "fc00::1"],
    ),
    (
        "string(isURL(self))",
        [
            "http://a b/",
            "http://[::1",
            "http://a:b/",
            "http://a:80:80/",
            "http://a/%zz",
            "http://a/%41",
            "http://%41/",
            "http://ä.example/",
            "mailto:a@b",
            "*",
            "//a/b",
            "a:b",
            ":a",
            "1a:b",
            "/a b",
            "http://a/\t",
            "http://a b@c/",
            "http://a:b@c/",
            "http://a#b",
            "http://",
            "http:a",
            "http://[fe80::1%25eth0]/",
        ],
    ),
    (
        (
            "'%s'.format([[url(self).getScheme(), url(self).getHost(), url(self).getHostname(),"
            " url(self).getPort(), url(self).getEscapedPath()]])"
        ),
        [
            "HTTP://User:pw@Example.ORG:8080/a%2Fb?c#d",
            "http://[::1]:80/",
            "http://[::1]",
            "http://a:/",
            "http://a/ä b",
            "http://a/b#c?d",
            "mailto:somebody",
            "/path/a?b",
            "http://a/%7Eb!c(d)",
            "http://a/'{}'",
            "*",
            "http://a?b",
        ],
    ),
    (
        "'%s'.format([url(self).getQuery()])",
        ["/?a=1&a=2", "/?a", "/?a=b%20c", "/?a=b+c", "/?a=%zz", "/?a;b=1", "/"],
    ),
    (
        "string(url(self) == url('http://a/'))",
        ["http://a/", "http://a/#", "HTTP://a/", "http://b/"],
    ),
    (
        "string(isSemver(self))",
        ["1.2.3-", "1.2.3+", "1.2.3-01", "1.2.3-0a", "1.2.3-a..b", "1.2.3 "],
    ),
    ("string(isSemver(self, true))", ["v1", "1.2", "v01.02", "1-a", "1.2.3-a", "v", "", "1.a"]),
    (
        "'%s.%s'.format([semver(self, true).major(), semver(self, true).minor()])",
        ["v1", "v01.02", "v0.00.5"],
    ),
    (
        "string(semver(self).compareTo(semver('1.0.0-b.2')))",
        ["1.0.0-b.10", "1.0.0-b", "1.0.0-b.2+x", "1.0.0-b.c", "1.0.0", "1.0.0-a.99", "0.9.0"],
    ),
    *(
        (
            f"'%s'.format([format.{name}().validate(self).orValue(['none'])])",
            [
                "",
                "a-",
                "-",
                "--",
                "a.b",
                "A",
                "1a",
                "x" * 64,
                f"{'y' * 50}." * 6,
                "a/b",
                "/b",
                "a_b",
            ],
        )
        for name in (
            "dns1123Label",
            "dns1123Subdomain",
            "dns1035Label",
            "qualifiedName",
            "dns1123LabelPrefix",
            "dns1123SubdomainPrefix",
            "dns1035LabelPrefix",
            "labelValue",
        )
    ),
    (
        "'%s'.format([format.uuid().validate(self).orValue(['none'])])",
        ["123E4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}"],
    ),
    (
        "'%s'.format([format.byte().validate(self).orValue(['none'])])",
        ["", "YQ==", "YQ", "YQ=", "Y Q=", "_w=="],
    ),
    (
        "'%s'.format([format.date().validate(self).orValue(['none'])])",
        ["2026-02-29", "20260228", "2026-W01-1", "2026-2-1"],
    ),
    (
        "'%s'.format([format.datetime().validate(self).orValue(['none'])])",
        [
            "2026-01-01T00:00:00Z",
            "2026-01-01t23:59:59.123+01:00",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01",
        ],
    ),
    ("string(format.uri().validate(self).hasValue())", ["http://a", "a", ""]),
    ("string(format.named(self).hasValue())", ["uri", "dns1123Label", "email", ""]),
    (
        "'%s %s %s %s %s %s'.format([self, 1, true, 1.5, [self], {'a': self}])",
        ["x", 'a"b', "a\\b"],
    ),
    (
        "'%s|%s|%s'.format([double(self), [double(self)], -double(self)])",
        ["1", "0.1", "1e7", "1e-7"],
    ),
    ("'%d|%x|%X|%o|%b'.format([int(self), int(self), int(self), int(self), 5])", ["255", "0"]),
    ("'%x|%X|%b|%%'.format([self, bytes(self), true])", ["az", "ä"]),
    (
        "'%f|%.2f|%.0f'.format([double(self), double(self), double(self)])",
        ["1.5", "12345.678", "-0.5"],
    ),
    ("'%e|%.2e'.format([double(self), double(self)])", ["1.5", "12345.678", "0.00012", "1e100"]),
    (
        "'%s %s %s'.format([duration(self), [duration(self)], string(duration(self))])",
        ["90s", "1.5h", "1ms", "-1m"],
    ),
    (
        "'%s %s'.format([[timestamp(self)], string(timestamp(self))])",
        ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.12+01:00"],
    ),
    ("string(double(self))", ["1", "100000", "1000000", "1234567", "0.0001", "0.00001", "1e21"]),
    ("'%s %s'.format([self.lastIndexOf('a'), self.indexOf('a', 1)])", ["banana", "b", "a"]),
    ("'%s %s %s'.format([self.split(','), self.split(',', 2), self.charAt(0)])", ["a,b,c", "a"]),
    ("'%s %s'.format([self.findAll('[a-z]+', 2), self.find('x')])", ["ab cd ef", "x", ""]),
]


@pytest.mark.parametrize("server", ["embedded", "real"], indirect=True)
async def test_a_table_of_expressions(cluster: Cluster) -> None:
    gauges = await Gauges.defined(cluster, [{"rule": rule} for rule, _, _ in RULES])
    wrong = []
    for index, (rule, holds, fails) in enumerate(RULES):
        for text in [*holds, *fails]:
            answer = await gauges.tried(index, text)
            if (answer.status_code == 201) is not (text in holds):
                wrong.append((rule, text, answer.status_code, answer.json().get("message")))
    assert wrong == []


async def test_both_servers_make_the_same_texts(both: tuple[Cluster, Cluster]) -> None:
    rules = [{"rule": "false", "messageExpression": each} for each, _ in TEXTS]
    asked = [(index, text) for index, (_, texts) in enumerate(TEXTS) for text in texts]
    said = []
    for cluster in both:
        gauges = await Gauges.defined(cluster, rules)
        answers = [await gauges.tried(index, text) for index, text in asked]
        said.append([each.json()["details"]["causes"][0]["message"] for each in answers])
    different = [
        (TEXTS[index][0], text, ours, theirs)
        for (index, text), ours, theirs in zip(asked, *said, strict=True)
        if ours != theirs
    ]
    assert different == []


@attrs.frozen(kw_only=True)
class Gauges:
    """A kind with a text for each of the rules."""

    client: httpx.AsyncClient
    group: str
    path: str

    @classmethod
    async def defined(cls, cluster: Cluster, rules: Sequence[Mapping[str, str]]) -> "Gauges":
        """Have the kind served."""
        group = f"{cluster.namespace}.example.org"
        definition = gauges_definition(group, rules)
        await cluster.apply(definition)
        name = definition["metadata"]["name"]
        await cluster.kubectl("wait", "--for=condition=Established", "crd", name)
        path = f"/apis/{group}/v1/namespaces/{cluster.namespace}/gauges"
        return cls(client=cluster.client, group=group, path=path)

    async def tried(self, index: int, text: str) -> httpx.Response:
        """What is said of a gauge whose text ``index`` is ``text``."""
        body = {
            "apiVersion": f"{self.group}/v1",
            "kind": "Gauge",
            "metadata": {"name": "g"},
            "spec": {f"p{index}": text},
        }
        return await self.client.post(self.path, json=body, params={"dryRun": "All"})


def gauges_definition(group: str, rules: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    text = {"type": "string", "maxLength": 400}
    properties = {
        f"p{index}": {**text, "x-kubernetes-validations": [rule]}
        for index, rule in enumerate(rules)
    }
    made = widgets_definition(
        schema={
            "openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": {"type": "object", "properties": properties}},
            }
        }
    )
    made["metadata"]["name"] = f"gauges.{group}"
    made["spec"]["group"] = group
    made["spec"]["names"] = {"plural": "gauges", "kind": "Gauge"}
    for name in ("subresources", "additionalPrinterColumns", "selectableFields"):
        made["spec"]["versions"][0].pop(name)
    return made
