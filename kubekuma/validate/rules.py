"""The rules of each kind that its schema cannot express."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from kubekuma.model.kinds import KINDS, MONITOR, SETTINGS
from kubekuma.validate.classes import part_rules
from kubekuma.validate.monitor import monitor_rules
from kubekuma.validate.rule import FieldError
from kubekuma.validate.settings import settings_rules

Rules: TypeAlias = Callable[[Any], Iterator[FieldError]]


def _of_parts(resource: Any) -> Iterator[FieldError]:
    return part_rules(resource.spec)


# By name of the kind: everything that is wrong with a resource, whatever else there is.
RULES: Final[Mapping[str, Rules]] = {
    **dict.fromkeys((kind.name for kind in KINDS), _of_parts),
    MONITOR.name: monitor_rules,
    SETTINGS.name: lambda settings: settings_rules(settings.spec),
}
