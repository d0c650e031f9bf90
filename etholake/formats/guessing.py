"""Guess the names of a mapping: body parts, animals and actions. Every guess comes with a note that says so."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher

from etholake.contract import (
    BODY_PARTS,
    PAIR_ACTIONS,
    SELF_ACTIONS,
    UNIFIED_PART_SOURCES,
    action_name,
    guess_part,
)
from etholake.formats.facts import Labels, PoseFacts
from etholake.formats.mapping import EACH, ActionRule

__all__ = ["guess_actions", "guess_animals", "guess_parts_of", "guess_subjects", "part_distance"]

# A name without an entry in the list of synonyms is taken for a misspelling up to this distance.
MISSPELT = 0.15
# Words in the name of an action that an animal does alone.
_ALONE = (
    "groom", "rear", "freez", "immobil", "dig", "climb", "rest", "sleep", "eat", "feed", "drink", "walk", "run",
    "jump", "still", "scratch", "stretch", "nest", "burrow", "locomot", "explor", "turn", "lick", "paw", "scan",
    "rotat", "idle",
)  # fmt: skip
# Classes that fill the frames in which nothing else takes place.
_NO_ACTION = frozenset({"other", "none", "nothing", "background", "no behavior", "no behaviour"})
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_TOGETHER = ("allogroom", "social", "follow", "chas", "attack", "mount", "huddl", "approach", "other", "partner")


def part_distance(own: str, name: str) -> float:
    """Return how far two names of a part lie apart, 0 (the same words) to 1 (nothing in common).

    Capitals, separators, the order of words and how a side is written (``earL``, ``left_ear``) do not count.
    """
    return round(min(1 - SequenceMatcher(None, a, b).ratio() for a in _forms(own) for b in _forms(name)), 2)


def _forms(name: str) -> set[str]:
    """Return a part's name as one word in the orders that its words may have, with the side at the end."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)]
    side = "".join(_SIDES[word] for word in words if word in _SIDES)
    words = [word for word in words if word not in _SIDES]
    for text in ("left", "right"):
        if not side and words and words[0].startswith(text) and words[0] != text:
            side, words[0] = text, words[0].removeprefix(text)
    return {"".join(words) + side, "".join(sorted(words)) + side}


def guess_parts_of(
    recordings: Iterable[PoseFacts],
) -> tuple[dict[str, str], dict[str, str]]:
    """Return ({own name: name in the lake}, {own name: note}) for all parts of the recordings.

    A name of the contract stays; a guess never gives two parts of one recording the same name; a part without a
    guess keeps its own name.
    """
    recordings = list(recordings)
    own = list(dict.fromkeys(part for facts in recordings for part in facts.parts))
    beside: dict[str, set[str]] = {name: set() for name in own}
    for facts in recordings:
        for part in facts.parts:
            beside[part] |= set(facts.parts)
    names: dict[str, str] = {name: name for name in own if name in BODY_PARTS}
    notes: dict[str, str] = {}
    for name in own:
        if name in names:
            continue
        guess, distance = _nearest(name)
        taken = {names[other] for other in beside[name] if other in names} | (beside[name] - {name})
        if guess and guess not in taken:
            names[name] = guess
            if guess != name:
                notes[name] = f"a guess, distance {distance:g}"
        else:
            names[name] = name
            notes[name] = "not in the vocabulary: keeps its own name"
    return {name: names[name] for name in own}, notes


def _nearest(name: str) -> tuple[str | None, float]:
    """Return the part of the contract that a name most likely means, and the distance of the two names."""
    same = [part for part in BODY_PARTS if part_distance(name, part) == 0]
    if same:
        return same[0], 0.0
    if unified := guess_part(name):
        raw = _as_raw(unified, name)
        return raw, part_distance(name, raw)
    distance, part = min((part_distance(name, part), part) for part in BODY_PARTS)
    marks = [(_side(text), re.findall(r"\d+", text)) for text in (name, part)]
    initials = [{form[:1] for form in _forms(text)} for text in (name, part)]
    if distance <= MISSPELT and marks[0] == marks[1] and initials[0] & initials[1]:
        return part, distance
    return None, distance


def _side(name: str) -> str:
    form = min(_forms(name))
    return next((text for text in ("left", "right") if form.endswith(text)), "")


def _as_raw(unified: str, name: str) -> str:
    """Return the name of the raw layout for a unified part: ``side_left`` is written as ``hip_left``, say."""
    if unified in BODY_PARTS:
        return unified
    return min(UNIFIED_PART_SOURCES[unified], key=lambda part: part_distance(name, part))


def guess_animals(recordings: Iterable[PoseFacts]) -> dict[str, int]:
    """Return {animal: number} by the order in each file; no recording gives two animals one number."""
    numbers: dict[str, int] = {}
    for facts in recordings:
        taken = {numbers[name] for name in facts.animals if name in numbers}
        free = (n for n in range(1, 128 + len(taken)) if n not in taken)
        for name in facts.animals:
            if name not in numbers:
                numbers[name] = next(free)
    return numbers


def guess_subjects(
    labels: Sequence[Labels], animals_of: Mapping[str, Sequence[str]], numbers: Mapping[str, int]
) -> tuple[dict[str, int | str], dict[str, str]]:
    """Return ({subject: number or "each"}, {subject: note}) for the subjects that label files name.

    Parameters
    ----------
    animals_of
        {key of a recording of labels: the animals of the tracks that it belongs to}.
    numbers
        Number by animal.

    A subject is an animal of the tracks if it is called alike, or has the same number in its name; where only one
    animal was tracked it is that one. Nothing else is guessed: the label is written for every animal.
    """
    guesses: dict[str, int | str] = {}
    notes: dict[str, str] = {}
    for item in labels:
        animals = animals_of.get(item.key, ())
        for subject in subjects_of(item):
            if subject in numbers or subject in guesses:
                continue
            number, note = _subject(subject, animals, numbers)
            guesses[subject] = number
            notes[subject] = note
    return guesses, notes


def subjects_of(item: Labels) -> list[str]:
    """Return the names of animals that bouts or scored spans use, in their order."""
    names = [name for bout in item.recording.bouts for name in (bout.agent, bout.target)]
    names += [span.agent for span in item.recording.scored or ()]
    return [name for name in dict.fromkeys(names) if name]


def _subject(subject: str, animals: Sequence[str], numbers: Mapping[str, int]) -> tuple[int | str, str]:
    plain = _plain(subject)
    if len(animals) == 1:
        return numbers[animals[0]], f"a guess: '{animals[0]}' is the only animal of the tracks"
    alike = [name for name in animals if _plain(name) == plain]
    if len(alike) == 1:
        return numbers[alike[0]], f"a guess: '{alike[0]}' of the tracks"
    digits = re.findall(r"\d+", subject)
    if len(digits) == 1:
        numbered = [name for name in animals if re.findall(r"\d+", name) == digits]
        if len(numbered) == 1:
            return numbers[numbered[0]], f"a guess: has the number of '{numbered[0]}' of the tracks"
    return EACH, "not known which animal this is: its labels are written for every animal"


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", name).casefold())


def guess_actions(
    labels: Sequence[Labels], animals_of: Mapping[str, Sequence[str]]
) -> tuple[dict[str, ActionRule], dict[str, str]]:
    """Return ({action: rule}, {action: note}) for every action that a label file knows.

    The files decide whether an action is done alone or to another animal, where they name targets; else the
    contract's lists, then words in the name, then the number of animals.
    """
    rules: dict[str, ActionRule] = {}
    notes: dict[str, str] = {}
    for own in dict.fromkeys(action for item in labels for action in _actions_of(item)):
        holders = [item for item in labels if own in _actions_of(item)]
        most = max((len(animals_of.get(item.key, ())) for item in holders), default=0)
        name = action_name(own.replace(",", " "))
        kind, why = _kind(own, name, holders, most)
        if name in _NO_ACTION:
            name, why = "", "a guess: it names no action; its bouts are left out"
        rules[own] = ActionRule(name, kind)  # type: ignore[arg-type]
        notes[own] = why
    return rules, notes


def _actions_of(item: Labels) -> list[str]:
    return list(dict.fromkeys([*item.recording.vocabulary, *(bout.action for bout in item.recording.bouts)]))


def _kind(own: str, name: str, holders: Sequence[Labels], most_animals: int) -> tuple[str, str]:
    targets = {
        bout.target == bout.agent for item in holders for bout in item.bouts_of(own) if bout.target is not None
    }
    if len(targets) == 1:
        return ("self", "as the file says") if targets.pop() else ("pair", "as the file says")
    if most_animals == 1:
        return "self", "a guess: only one animal was tracked"
    squeezed = re.sub(r"[^a-z]", "", name)
    if squeezed in SELF_ACTIONS or squeezed in PAIR_ACTIONS:
        return ("self" if squeezed in SELF_ACTIONS else "pair"), "by the contract's list of actions"
    if any(word in squeezed for word in _TOGETHER):
        return "pair", "a guess by its name"
    if any(word in squeezed for word in _ALONE):
        return "self", "a guess by its name"
    return "pair", "a guess: several animals were tracked"
