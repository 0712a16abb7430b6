"""What a step of a scenario carries on from its answer."""

import json

from kubekuma.check.answer import Answer
from kubekuma.check.finding import Finding
from kubekuma.kit.json_path import MISSING, find, parse_json
from kubekuma.kit.pattern import first_group
from kubekuma.model.result import Reason
from kubekuma.model.target import Extract


def extracted(extract: Extract, answer: Answer) -> str | Finding:
    """The value that ``extract`` names, or what is wrong with ``answer``."""
    match extract:
        case Extract(json_path=str() as path):
            return _by_path(extract.name, path, answer)
        case Extract(header=str() as header):
            value = answer.header(header)
            reason, why = Reason.HEADER_MISMATCH, f"the header {header} is missing"
        case _:
            value = first_group(extract.regex or "()", answer.text())
            reason, why = Reason.KEYWORD_MISSING, "nothing in the body matches its pattern"
    return Finding(reason, f"there is no {extract.name}: {why}") if value is None else value


def _by_path(name: str, path: str, answer: Answer) -> str | Finding:
    try:
        value = find(path, parse_json(answer.body))
    except ValueError as error:
        return Finding(Reason.JSON_INVALID, f"there is no {name}: the body is not JSON ({error})")
    if value is MISSING or value is None:
        return Finding(Reason.JSON_MISMATCH, f"there is no {name}: {path} finds nothing")
    return value if isinstance(value, str) else json.dumps(value, default=str)
