"""Default gateways, from what Linux shows of its routes."""

import sys

import pytest

from kubekuma.kit.gateways import parse_routes, parse_routes_v6

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
NONE = "00000000000000000000000000000000"


@pytest.mark.skipif(sys.byteorder == "big", reason="the sample is of a little-endian machine")
def test_gateways_of_default_routes() -> None:
    text = HEAD + (
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
        "eth1\t000000AC\t0100000A\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "ppp0\t00000000\t00000000\t0001\t0\t0\t200\t00000000\t0\t0\t0\n"
    )
    assert list(parse_routes(text)) == ["192.168.1.1"]


def test_gateways_of_default_routes_of_version_6() -> None:
    link_local, public = "fe80" + "0" * 27 + "1", "2001" + "0db8" + "0" * 23 + "1"
    text = (
        f"{NONE} 00 {NONE} 00 {link_local} 00000400 00000001 00000000 00000003 eth0\n"
        f"{NONE} 00 {NONE} 00 {public} 00000400 00000001 00000000 00000003 eth1\n"
        f"{NONE} 00 {NONE} 00 {NONE} ffffffff 00000001 00000000 00200200 lo\n"
        f"{public} 40 {NONE} 00 {NONE} 00000100 00000001 00000000 00000001 eth1\n"
    )
    assert list(parse_routes_v6(text)) == ["fe80::1%eth0", "2001:db8::1"]


@pytest.mark.parametrize("text", ["", "\n", HEAD, "what is this\n" * 3, HEAD + "eth0 zz\n"])
def test_nothing_is_made_of_anything_else(text: str) -> None:
    assert list(parse_routes(text)) == list(parse_routes_v6(text)) == []
