from kubekuma.check.finding import Finding, conclude
from kubekuma.model.result import Reason


def test_nothing_wrong_is_a_pass() -> None:
    assert conclude([]) == Finding(Reason.PASSED)


def test_a_failure_counts_before_a_degradation_and_both_are_told() -> None:
    slow = Finding(Reason.SLOW, "slow")
    failed = Finding(Reason.STATUS_MISMATCH, "status")
    assert conclude([slow, failed]) == Finding(Reason.STATUS_MISMATCH, "status; slow")


def test_of_equally_bad_findings_the_first_gives_the_reason() -> None:
    first, second = Finding(Reason.KEYWORD_MISSING, "a"), Finding(Reason.HEADER_MISMATCH, "b")
    assert conclude([first, second]).reason is Reason.KEYWORD_MISSING
