"""The machinery of CONFIG.py: typed, checked values from YAML and from the command line.

Nothing here knows what the keys mean. CONFIG.py says that, and holds the defaults.
"""

import dataclasses
import difflib
import math
import reprlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from errors import UserError, note

Values = dict[str, Any]  # of keys, by their names
MOST_CHARACTERS = 100_000  # of a configuration file
LARGEST = 2**64  # whole number in it
AUTO = 0  # value of a key that the program is to choose, which is written as "auto"
TYPES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    int | str: "a whole number or a word",
}
FITTING: dict[Any, Any] = {
    bool: bool,
    str: str | int | float,
    int: int | str,
    float: int | float | str,
    int | str: int | str,
}
TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")
TRUTH = dict.fromkeys(TRUE, True) | dict.fromkeys(FALSE, False)


class ConfigError(UserError):
    """One or more faults in a configuration, a line each."""


def key(
    default: Any,
    meaning: str,
    low: float = -math.inf,
    high: float = math.inf,
    choices: Iterable[str] = (),
    auto: bool = False,
) -> Any:
    """A field of the configuration.

    Args:
        default: its value unless config.yml or the command line gives another.
        meaning: what it is, its unit in brackets.
        low, high: range of a number.
        choices: the texts that are allowed, also beside numbers; none: any.
        auto: whether "auto" is allowed too, which is kept as AUTO.
    """
    limits = {"low": low, "high": high, "choices": tuple(choices), "auto": auto}
    metadata = {"meaning": meaning, **limits}
    return dataclasses.field(default=default, metadata=metadata)


def allowed(field: "dataclasses.Field[Any]") -> str:
    """The range or the choices of a field in brackets, or nothing where any value is allowed."""
    limits = field.metadata
    if limits["choices"] and field.type is str:
        return f"({', '.join(limits['choices'])})"
    if math.isfinite(limits["high"]):
        words = ["auto"] if limits["auto"] else limits["choices"]
        named = "".join(f"{word}, " for word in words)
        return f"({named}{limits['low']:.10g} to {limits['high']:.10g})"
    return "(true or false)" if field.type is bool else ""


def out_of_range(field: "dataclasses.Field[Any]", value: Any) -> str | None:
    """The fault of a value of the right type, as a line; None where it is allowed."""
    limits = field.metadata
    choices = limits["choices"]
    if limits["auto"] and value == AUTO:
        return None
    if choices and isinstance(value, str):
        fits = value in choices
    else:
        fits = isinstance(value, str | bool) or limits["low"] <= value <= limits["high"]
    if fits:
        return None
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    got = reprlib.repr(str(value))[1:-1]
    return f"{field.name}: got {got}, wanted one in {allowed(field)}{hint}"


def read_yaml(path: Path) -> Values:
    """The keys and values of a YAML file, each value as the text that is written there.

    YAML 1.1 would read 010 as 8, 1:30 as 90 and 2024_01 as 202401, without a word.

    Raises:
        ConfigError: missing, no YAML, too long, not of the form 'key: value', a key that is given
            twice or without a value.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS)
        if len(text) == MOST_CHARACTERS:
            raise ValueError(f"wanted less than {MOST_CHARACTERS} characters")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise ValueError("wanted no aliases, whose few lines can mean billions")
        loader = yaml.BaseLoader(text)
        root = loader.get_single_node()
        values = loader.construct_document(root) if root else None
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; write one with: python CONFIG.py") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder, wanted a file") from None
    except Exception as error:  # PyYAML raises whatever an odd number, date or depth leads to
        said = " ".join(str(error).split())[:300]
        raise ConfigError(f"{path}: not readable as YAML: {said}") from None
    if root is None:
        return {}
    if not isinstance(values, dict):
        kind = "text" if isinstance(values, str) else f"a {type(values).__name__}"
        raise ConfigError(f"{path}: got {kind}, wanted lines of the form 'key: value'")
    given = Counter(name.value for name, _ in root.value)
    faults = [f"{_short(name)} is given twice; keep one" for name in given if given[name] > 1]
    for name in [name for name, value in values.items() if value == ""]:
        faults.append(f"{_short(name)} has no value; give it one, or remove the line")
    if faults:
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))
    return values


def as_yaml(config: Any, sections: Mapping[str, type]) -> str:
    """A configuration as YAML, with what each key means above it.

    ``sections``: the title of each, and the class whose fields are in it.
    """
    lines = ["# Written by CONFIG.py. Edit a value here for this folder, or in CONFIG.py for all."]
    for title, section in sections.items():
        lines += ["", f"# --- {title}"]
        for field in dataclasses.fields(section):
            value = getattr(config, field.name)
            is_auto = field.metadata["auto"] and value == AUTO
            line = yaml.safe_dump({field.name: "auto" if is_auto else value}).strip()
            meaning = f"# {field.metadata['meaning']} {allowed(field)}".rstrip()
            lines += ["", meaning, line]
    return "\n".join(lines) + "\n"


@dataclasses.dataclass(frozen=True)
class Keys:
    """The keys that a configuration has, by name, and the names that former versions gave them."""

    fields: Mapping[str, "dataclasses.Field[Any]"]
    former: Mapping[str, str]

    def typed(self, values: Mapping[str, Any], source: str, faults: list[str]) -> Values:
        """The values under their present names, in the types of their fields.

        Args:
            values: as they were given.
            source: file or "command line", for the messages.
            faults: takes a line for each value that does not fit.
        """
        typed: Values = {}
        for given, value in values.items():
            name = self.former.get(given, given)
            if name not in self.fields:
                faults.append(f"{source}: {self._unknown(given)}")
                continue
            if name != given:
                note(f"{source}: {given} is called {name} now")
            if name in typed:
                faults.append(f"{source}: {name} is given twice, once as {given}; keep one")
                continue
            field = self.fields[name]
            try:
                typed[name] = _cast(value, field.type, field.metadata["auto"])
            except (TypeError, ValueError, OverflowError):
                wanted = f"{TYPES[field.type]} {allowed(field)}"
                faults.append(f"{source}: {given}: got {_shown(value)}, wanted {wanted}")
        return typed

    def _unknown(self, given: str) -> str:
        near = difflib.get_close_matches(given, [*self.fields, *self.former], n=1)
        if near:
            hint = f"did you mean {self.former.get(near[0], near[0])}?"
        else:
            hint = f"the keys are: {', '.join(self.fields)}"
        return f"unknown key {_short(given)}; {hint}"


def _short(name: str) -> str:
    return reprlib.repr(name)[1:-1]


def _shown(value: Any) -> str:
    huge = isinstance(value, int) and abs(value) > LARGEST
    return "a huge number" if huge else reprlib.repr(value)


def _cast(value: Any, kind: Any, auto: bool) -> Any:
    """The value in the type of its field.

    config.yml and the command line give text, Python code and a checkpoint the type itself.
    """
    if auto and value == "auto":
        return AUTO
    if kind is bool and isinstance(value, str):
        value = TRUTH.get(value.lower())
    if not isinstance(value, FITTING[kind]) or (isinstance(value, bool) and kind is not bool):
        raise TypeError
    result = _number_or_word(value) if kind == int | str else kind(value)
    if isinstance(result, int) and abs(result) > LARGEST:
        raise OverflowError
    if auto and result == AUTO and isinstance(value, str):  # nobody means it who writes 0
        raise ValueError
    return result


def _number_or_word(value: int | str) -> int | str:
    try:
        return int(value)
    except ValueError:
        return value
