"""Templates: what they can say, where they say what is wrong, and that they always end."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.kit.template import MOST_DEPTH, MOST_SAID, Mistake, Shape, Template, parse, render

NAMES: Final = {
    "title": Shape.TEXT,
    "until": Shape.TEXT,
    "count": Shape.TEXT,
    "monitor.name": Shape.TEXT,
    "tags": Shape.LIST,
    "labels": Shape.MAP,
}
VALUES: Final[dict[str, Any]] = {
    "title": 'the "shop" is down',
    "until": None,
    "count": 0,
    "monitor.name": "web",
    "tags": ["prod", "api"],
    "labels": {"app.kubernetes.io/name": "shop", "team": "a"},
}


def rendered(source: str, most: int = 10_000, **values: Any) -> str:
    found = parse(source, NAMES)
    assert isinstance(found, Template), found
    return render(found, {**VALUES, **values}, most)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain } }} %} { {x} text", "plain } }} %} { {x} text"),
        ("{{ monitor.name }}/{{count}}/{{ until }}.", "web/0/."),
        ("{{ labels.team }} {{ labels.app.kubernetes.io/name }}{{ labels.none }}", "a shop"),
        ("{{ monitor.name | upper | lower }}", "web"),
        ('{{ until | default("still") }} {{ title | truncate(6) }}', 'still the "…'),
        ("{{ title | json }} {{ tags|json }} {{ until | json }} {{ count | json }}",
         '"the \\"shop\\" is down" ["prod", "api"] null 0'),
        ("{{ tags | join }} {{ tags | join('/') }}", "prod, api prod/api"),
        ("{{ title | urlencode }}", "the%20%22shop%22%20is%20down"),
        ('{{ "{{" }} {{ "a\\"\\n" }}', '{{ a"\n'),
        ("{% if until %}over{% else %}on{% endif %}", "on"),
        ("{% if not until %}on{% endif %}{% if count %}many{% endif %}", "on"),
        (
            '{% if monitor.name == "api" %}A{% elif monitor.name != "db" %}B{% else %}C{% endif %}',
            "B",
        ),
        ('{% if not monitor.name == "web" %}A{% endif %}', ""),
        ("{% for tag in tags %}<{{ tag | upper }}>{% endfor %}", "<PROD><API>"),
        (
            "{% for l in labels %}{% if l.value == 'a' %}{{ l.name }}{% endif %}{% endfor %}",
            "team",
        ),
    ],
)  # fmt: skip
def test_what_it_says(source: str, text: str) -> None:
    assert rendered(source) == text


def test_times_read_well_and_everything_else_stays() -> None:
    assert rendered("{{ until | time }}", until="2026-03-01T02:00:00+02:00") == (
        "2026-03-01 00:00:00 UTC"
    )
    for text in ("soon", "2026-03-01T02:00:00", "0001-01-01T00:00:00+14:00", ""):
        assert rendered("{{ until | time }}", until=text) == text


def test_a_block_alone_in_its_line_leaves_no_line() -> None:
    source = "Tags:\n  {% for tag in tags %}\n- {{ tag }}\n{% endfor %}  \nEnd {% if count %}\n"
    assert rendered(f"{source}{{% endif %}}") == "Tags:\n- prod\n- api\nEnd "


def test_what_a_value_contains_is_not_looked_at_again() -> None:
    hostile = "{{ labels.team }}{% if title %}{% endfor %}{{"
    assert rendered("<{{ title }}>", title=hostile) == f"<{hostile}>"


@pytest.mark.parametrize(
    ("source", "line", "column", "said"),
    [
        ("{{ title", 1, 1, "{{ needs a }}"),
        ("a\n {{ titel }}", 2, 5, "there is no titel: is title meant?"),
        ("{{ }}", 1, 4, "must be a name or a text"),
        ("{{ title $ }}", 1, 10, "$ has no meaning here"),
        ("{{ title %}", 1, 10, "must be }}"),
        ("{{ title monitor.name }}", 1, 10, "must be }}"),
        ("{{ title | shout }}", 1, 12, "there is no filter shout; there are default, "),
        ("{{ title | join }}", 1, 12, "join takes no text"),
        ("{{ title | truncate }}", 1, 12, "truncate needs an argument, as in truncate(80)"),
        ("{{ title | truncate('x') }}", 1, 21, "must be a number, as in truncate(80)"),
        ("{{ title | upper(1) }}", 1, 17, "must be }}"),
        ("{{ tags }}", 1, 4, "this is a list: put it through join or json, or loop over it"),
        ("{{ labels }}", 1, 4, "this is a map: put it through json, or name a part"),
        ("{% if title %}", 1, 1, "this if needs an endif"),
        ("{% if tags == 'a' %}{% endif %}", 1, 7, "tags is no text that could be compared"),
        ("{% endif %}", 1, 4, "there is no if that endif could end"),
        ("{% else %}", 1, 4, "there is no if that else could belong to"),
        ("{% if title %}{% else %}{% elif title %}{% endif %}", 1, 28,
         "elif must not come after else"),
        ("{% for tag in tags %}{% endif %}", 1, 25, "there is no if that endif could end"),
        ("{% for tag in title %}{% endfor %}", 1, 15, "title is no list"),
        ("{% for title in tags %}{% endfor %}", 1, 8, "title cannot be the name of an item"),
        ("{% for tag of tags %}{% endfor %}", 1, 12, "must be in"),
        ("{% for a in tags %}{% for b in tags %}", 1, 20, "a for must not stand within a for"),
        ("{% for a in tags %}{{ a.name }}{% endfor %}", 1, 23, "there is no a.name: a is a text"),
        ("{% for a in labels %}{{ a }}{% endfor %}", 1, 25,
         "there is no a: a has a.name and a.value"),
        ("{% while title %}", 1, 4, "while is none of if, elif, else, endif, for and endfor"),
        ("{% if title %}" * 9, 1, 113, f"must not be more than {MOST_DEPTH} blocks deep"),
    ],
)  # fmt: skip
def test_where_it_says_what_is_wrong(source: str, line: int, column: int, said: str) -> None:
    found = parse(source, NAMES)
    assert isinstance(found, Mistake)
    assert (found.line, found.column) == (line, column)
    assert found.said.startswith(said)


def test_a_mistake_is_short_whatever_it_quotes() -> None:
    found = parse("{{ " + "x" * 16_000 + " }}", NAMES)
    assert isinstance(found, Mistake)
    assert len(found.said) == MOST_SAID


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert rendered("{{ title }}", 5) == "the …"
    assert rendered("12345", 5) == "12345"
    assert rendered("123456", 5) == "1234…"


def test_work_that_makes_no_text_ends_too() -> None:
    busy = "{% for tag in tags %}" + "{{ title | upper | truncate(1) }}" * 400 + "{% endfor %}"
    assert rendered(busy, title="x" * 16_000, tags=["t"] * 64).endswith("…")


_PARTS: Final = st.sampled_from(
    [
        "{{", "}}", "{%", "%}", " ", "\n", "|", "(", ")", "==", "if", "else", "endif", "for",
        "in", "endfor", "not", "title", "tags", "labels", "labels.team", "x", "x.name", "upper",
        "json", "truncate", "'a'", '"', "3", "é", "{% if title %}", "{% endif %}",
        "{% for x in tags %}", "{% endfor %}", "{{ title | json }}",
    ]
)  # fmt: skip
sources = st.lists(_PARTS, max_size=40).map("".join) | st.text(max_size=200)
texts = st.none() | st.text(max_size=200) | st.integers()
values = st.fixed_dictionaries(
    {
        "title": texts,
        "until": texts,
        "count": texts,
        "monitor.name": texts,
        "tags": st.lists(st.text(max_size=20), max_size=20),
        "labels": st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=5),
    }
)


@given(sources, values, st.integers(1, 300))
def test_it_never_raises_and_never_exceeds_its_bound(
    source: str, found: dict[str, Any], most: int
) -> None:
    template = parse(source, NAMES)
    if isinstance(template, Template):
        assert len(render(template, found, most)) <= most
    else:
        lines = source.split("\n")
        assert 1 <= template.line <= len(lines)
        assert 1 <= template.column <= len(lines[template.line - 1]) + 1


@given(st.text().filter(lambda it: "{{" not in it and "{%" not in it))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert rendered(text, 10_000_000) == text


@given(st.text(max_size=200))
def test_any_value_stays_as_it_is(text: str) -> None:
    assert rendered("<{{ title }}>", title=text) == f"<{text}>"
