"""Schemas as functions say what the long way says, whatever becomes of our own kinds."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.json_values import anything

from kubekuma.kit.structural import problems, with_defaults
from kubekuma.kit.structural_fast import filled, fits
from kubekuma.model.kinds import KINDS
from kubekuma.model.schema import resource

ROOT = Path(__file__).parents[2]
SCHEMAS = {kind.name: resource(kind) for kind in KINDS}
FITS = {name: fits(schema) for name, schema in SCHEMAS.items()}
FILLED = {name: filled(schema) for name, schema in SCHEMAS.items()}


def documents() -> list[dict[str, Any]]:
    folders = ("manifests/samples", "tests/golden/invalid")
    files = [file for folder in folders for file in sorted((ROOT / folder).glob("*.yaml"))]
    found = []
    for file in files:
        try:
            found += list(yaml.safe_load_all(file.read_text()))
        except yaml.YAMLError:
            continue
    return [each for each in found if isinstance(each, dict) and each.get("kind") in SCHEMAS]


DOCUMENTS = documents()


def agrees(document: Any, kind: str) -> None:
    schema = SCHEMAS[kind]
    assert FITS[kind](document) is (not list(problems(schema, document)))
    assert FILLED[kind](document) == with_defaults(schema, document)
    # What needs nothing is the same object: others may rest on that.
    full = with_defaults(schema, document)
    assert FILLED[kind](full) is full


@pytest.mark.parametrize("number", range(0, len(DOCUMENTS), 20))
def test_samples_and_their_like_with_a_fault(number: int) -> None:
    for document in DOCUMENTS[number : number + 20]:
        agrees(document, document["kind"])


@settings(max_examples=300)
@given(st.data())
def test_whatever_is_put_in_the_place_of_a_part(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(DOCUMENTS)))
    part: Any = document
    while True:
        choices = list(part) if isinstance(part, dict) else list(range(len(part)))
        if not choices:
            break
        at = data.draw(st.sampled_from(choices))
        if not isinstance(part[at], (dict, list)) or data.draw(st.booleans()):
            part[at] = data.draw(anything | st.none() | st.integers() | st.text(max_size=3))
            break
        part = part[at]
    kind = document.get("kind")
    agrees(document, kind if isinstance(kind, str) and kind in SCHEMAS else "Monitor")


@given(anything)
def test_any_value_at_all(value: Any) -> None:
    for kind in SCHEMAS:
        agrees(value, kind)
