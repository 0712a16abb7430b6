"""Rules for the names that the steps of a scenario carry on."""

from collections.abc import Iterator

from kubekuma.model.target import ScenarioTarget
from kubekuma.validate.rule import FieldError


def scenario_rules(scenario: ScenarioTarget) -> Iterator[FieldError]:
    """Yield each name that a step uses before there is such a value, or that is given twice."""
    known = {value.name for value in scenario.values}
    for index, step in enumerate(scenario.steps):
        path = f"steps[{index}]"
        for field, name in dict.fromkeys(step.http.names):
            if name not in known:
                said = f"must not use {name}: no value and no earlier step gives it"
                yield FieldError(f"{path}.http.{field}", said)
        for place, extract in enumerate(step.extract):
            if extract.name in known:
                said = f"must not be {extract.name}, which is the name of something else"
                yield FieldError(f"{path}.extract[{place}].name", said)
            known.add(extract.name)
