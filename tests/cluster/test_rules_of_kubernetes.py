"""The functions that Kubernetes adds to CEL say the same here as in the real machinery."""

import copy
from typing import Any

import pytest
from support.clusters import Cluster
from support.embedded import WIDGETS

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


@pytest.mark.parametrize("server", ["embedded", "real"], indirect=True)
async def test_a_table_of_expressions(cluster: Cluster) -> None:
    definition, path = gauges(cluster)
    await cluster.apply(definition)
    await cluster.kubectl(
        "wait", "--for=condition=Established", "crd", definition["metadata"]["name"]
    )
    wrong = []
    for index, (rule, holds, fails) in enumerate(RULES):
        for text in [*holds, *fails]:
            body = {
                "apiVersion": f"{definition['spec']['group']}/v1",
                "kind": "Gauge",
                "metadata": {"name": "g"},
                "spec": {f"p{index}": text},
            }
            answer = await cluster.client.post(path, json=body, params={"dryRun": "All"})
            if (answer.status_code == 201) is not (text in holds):
                wrong.append((rule, text, answer.status_code, answer.json().get("message")))
    assert wrong == []


def gauges(cluster: Cluster) -> tuple[dict[str, Any], str]:
    """A definition with a text for each rule."""
    made = copy.deepcopy(WIDGETS)
    group = f"{cluster.namespace}.example.org"
    made["metadata"]["name"] = f"gauges.{group}"
    made["spec"]["group"] = group
    made["spec"]["names"] = {"plural": "gauges", "kind": "Gauge"}
    properties = {
        f"p{index}": {
            "type": "string",
            "maxLength": 100,
            "x-kubernetes-validations": [{"rule": rule}],
        }
        for index, (rule, _, _) in enumerate(RULES)
    }
    (version,) = made["spec"]["versions"][:1]
    version.pop("subresources", None)
    version.pop("additionalPrinterColumns", None)
    version.pop("selectableFields", None)
    version["schema"] = {
        "openAPIV3Schema": {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": properties}},
        }
    }
    made["spec"]["versions"] = [version]
    return made, f"/apis/{group}/v1/namespaces/{cluster.namespace}/gauges"
