import ssl

from kubekuma.check.misfits import KEPT_SECONDS, Misfits, Place


def place(port: int) -> Place:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return Place(host="web", port=port, server_name="web", context=context)


def test_a_misfit_is_expected_for_a_while() -> None:
    misfits, here = Misfits(), place(1)
    assert not misfits.expects(here, 0.0)
    misfits.note(here, b"der", 0.0)
    assert misfits.expects(here, KEPT_SECONDS - 1)
    assert not misfits.expects(here, KEPT_SECONDS)
    assert not misfits.expects(place(1), 0.0)  # judged by another context


def test_another_certificate_at_its_place_makes_it_forgotten() -> None:
    misfits, here = Misfits(), place(1)
    misfits.note(here, b"der", 0.0)
    assert misfits.knows(here, b"der")
    assert not misfits.knows(here, b"another")
    assert not misfits.expects(here, 0.0)


def test_the_memory_is_bounded() -> None:
    misfits, first, second = Misfits(most_kept=1), place(1), place(2)
    misfits.note(first, b"a", 0.0)
    misfits.note(second, b"b", 0.0)
    assert not misfits.expects(first, 0.0)
    assert misfits.expects(second, 0.0)
