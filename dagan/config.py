"""Everything that decides a training, as one frozen value with a signature.

`Config.of({...})` takes a nested mapping of what the user chose and resolves the rest: the defaults that depend
on the method and the data set, so that the value that is stored, hashed and trained is the whole of it.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, Field, ValidationError

from dagan.data import facts as catalogue
from dagan.data.facts import Facts, Fit
from dagan.data.generated import GeneratedFacts, generated_facts
from dagan.data.splits import capacity, held_within
from dagan.defaults import NETWORK_DEFAULTS, reaches, with_defaults
from dagan.errors import InvalidInput, Problem, refuse, unknown
from dagan.methods import METHODS, Method
from dagan.nested import flatten, problems_of, section_of
from dagan.settings import Augmentation, Classifier, Compute, Data, Gan, Network, Section

EXECUTION_ONLY: dict[str, Any] = {
    "data": {"root", "folder", "generated"},
    "network": {"weights"},
    "compute": {"device", "threads"},
}
"""What says where and how fast a training runs, not what comes out of it; no part of the signature."""

OF_RAND_AUGMENT = {"policy_operations", "policy_magnitude"}
"""What only RandAugment has; no part of the signature without it."""

UNNAMED_FOLDER = "images"
"""What a folder of images goes by where it is given no name."""

IN_ITERATIONS = {"gan": {"epochs"}, "classifier": {"epochs"}}
"""What says once more, in another unit, what other settings say; no part of the signature."""


class Config(Section):
    """One training, decided. Make one with `Config.of`."""

    method: str
    seed: int = Field(0, ge=0, description="Fixes subset, weights, batch order, augmentation and latents.")
    data: Data
    network: Network
    gan: Gan | None = Field(description="None for methods without a generator.")
    classifier: Classifier
    augmentation: Augmentation | None = Field(description="None for methods without classical augmentation.")
    compute: Compute

    @classmethod
    def of(cls, choices: Mapping[str, Any]) -> "Config":
        """Resolve a nested mapping of choices to the whole config.

        Raises:
            InvalidInput: everything that is wrong with it, at once.
        """
        choices = json.loads(json.dumps(choices, default=str))
        name = choices.get("method", "dagan")
        if str(name) not in METHODS:
            raise refuse("method", unknown("method", str(name), METHODS))
        problems = without_settings(choices)
        choices = {key: value for key, value in choices.items() if key not in {one.where for one in problems}}
        problems += misplaced(choices, name)
        facts = generated = None
        try:
            facts = facts_of(choices.get("data") or {})
            generated = generated_of(choices.get("data") or {}, name, facts)
        except InvalidInput as error:
            problems += error.problems
        resolved = with_defaults(choices, name, facts, generated)
        try:
            config = cls.model_validate_json(json.dumps(resolved))
        except ValidationError as error:
            raise InvalidInput(problems + problems_of(error, cls, resolved)) from None
        if facts:
            config, conflicts = with_iterations(config, facts, choices)
            problems += conflicts + config.mismatches(facts)
        if generated and config.data.generated_fingerprint != generated.fingerprint:
            problems.append(not_recorded("data.generated_fingerprint", config.data.generated, "train with"))
        if problems:
            raise InvalidInput(problems)
        return config

    @classmethod
    def kept(cls, settings: Mapping[str, Any], facts: Facts) -> "Config":
        """Restore a config as it was once resolved, with the facts of its data set, which may be gone by now.

        Raises:
            InvalidInput: settings that are not a whole config.
        """
        try:
            config = cls.model_validate_json(json.dumps(settings))
        except ValidationError as error:
            raise InvalidInput(problems_of(error, cls, settings)) from None
        vars(config)["facts"] = facts  # where the cached property looks first
        return config

    def with_seed(self, seed: int) -> "Config":
        """Return the same with another seed."""
        other = self.model_copy(update={"seed": seed})
        vars(other).pop("signature", None)  # copied with what was cached
        return other

    @property
    def row(self) -> Method:
        """The method's row in the table of methods."""
        return METHODS[self.method]

    @cached_property
    def facts(self) -> Facts:
        """What is known of the data set."""
        return facts_of(self.data.model_dump())

    @cached_property
    def signature(self) -> str:
        """16 hex digits: the hash of the whole resolved value, execution-only fields left out."""
        return signature_of(self.model_dump(mode="json"))

    def mismatches(self, facts: Facts) -> list[Problem]:
        """Check the settings against the data set."""
        problems = network_problems(self.network, facts)
        room = capacity(facts.per_class, has_test=facts.has_test, validation=self.data.validation)
        if self.data.samples_per_class > room:
            halved = self.data.validation == "held_out"
            remedy = " (`data.validation: within` needs no half held back)" if halved else ""
            problems.append(
                Problem(
                    "data.samples_per_class",
                    f"must be <= {room} for {facts.name}, whose smallest class has {min(facts.per_class)} images,"
                    f" but is {self.data.samples_per_class}{remedy}.",
                )
            )
        if self.data.validation == "own" and not facts.has_validation:
            rule = f"cannot be own: {facts.name} brings no validation images."
            problems.append(Problem("data.validation", f"{rule} Give held_out, or a folder with train/ and val/."))
        if self.data.validation == "within" and self.data.samples_per_class < 2:
            problems.append(Problem("data.samples_per_class", "must be >= 2 with `validation: within`, but is 1."))
        if self.classifier.generated == "offline" and self.classifier.augmentation_schedule == "linear":
            problems.append(
                Problem(
                    "classifier.augmentation_schedule",
                    "must be constant where images are generated offline, once for all of stage 2, but is linear.",
                )
            )
        if self.data.validation_images is not None and self.data.validation_images < len(facts.classes):
            problems.append(
                Problem(
                    "data.validation_images",
                    f"must be >= {len(facts.classes)}, one of each class of {facts.name},"
                    f" but is {self.data.validation_images}.",
                )
            )
        for key, value in (("image_size", facts.image_size), ("channels", facts.channels), ("fit", facts.fit)):
            if getattr(self.data, key) != value:
                problems.append(Problem(f"data.{key}", f"is {value} for {facts.name} and cannot be chosen. Remove it."))
        if self.data.fingerprint != facts.fingerprint:
            problems.append(not_recorded("data.fingerprint", self.data.folder, "train on"))
        return problems

    def require_generated(self) -> None:
        """Refuse a folder with fewer generated images than a training draws offline.

        No part of `Config.of`: a search may begin at a base with another ratio than those that it tries.

        Raises:
            InvalidInput: too few images of a class.
        """
        if self.data.generated is None or self.classifier.generated != "offline":
            return
        per_class, wanted = generated_facts(self.data.generated, self.facts).per_class, offline_per_class(self)
        fewest = min(per_class)
        if wanted > fewest:
            drawn = f"round({self.classifier.augmentation_ratio:g} · {trained_per_class(self.data)}) drawn offline"
            label = self.facts.classes[per_class.index(fewest)]
            rule = f"{self.data.generated} must hold >= {wanted} images of each class, {drawn}"
            raise refuse("data.generated", f"{rule}, but of `{label}` it holds {fewest}.")


def not_recorded(where: str, folder: Path | None, use: str) -> Problem:
    """Return the problem with images that are not those that a config was resolved with."""
    return Problem(
        where, f"the images in {folder} are not the ones recorded; remove the key to {use} what is there now."
    )


def with_iterations(config: Config, facts: Facts, choices: Mapping[str, Any]) -> tuple[Config, list[Problem]]:
    """Turn lengths in epochs, passes over the real images that are trained on, into iterations."""
    sections: dict[str, Gan | Classifier] = {}
    problems = []
    for key, section in (("gan", config.gan), ("classifier", config.classifier)):
        if section is None or section.epochs is None:
            continue
        iterations = max(1, round(section.epochs * iterations_per_epoch(config, facts)))
        chosen = (choices.get(key) or {}).get("iterations")
        if chosen not in (None, iterations):
            rule = f"{section.epochs:g} epochs are {iterations} iterations, but `{key}.iterations` is {chosen}."
            problems.append(Problem(f"{key}.epochs", f"{rule} Remove one of the two."))
        sections[key] = section.model_copy(update={"iterations": iterations})
    return config.model_copy(update=sections), problems


def iterations_per_epoch(config: Config, facts: Facts) -> float:
    """Return how many batches of real images make one pass over those that are trained on: K·n/B."""
    return len(facts.classes) * trained_per_class(config.data) / config.classifier.batch_size


def trained_per_class(data: Data) -> int:
    """Return how many real images of each class are trained on: all that the seed draws, less those held back."""
    held = held_within(data.samples_per_class, data.validation_fraction, data.phase)
    return data.samples_per_class - (held if data.validation == "within" else 0)


def offline_per_class(config: Config) -> int:
    """Return how many generated images of each class join the training images once: round(r·n), of n trained on."""
    return round(config.classifier.augmentation_ratio * trained_per_class(config.data))


def network_problems(network: Network, facts: Facts) -> list[Problem]:
    """Check a network's settings against one another and the size of the images."""
    name, size = network.name, facts.image_size
    doubled = size >= 8 and size.bit_count() == 1  # 4·2^k
    rules = [
        (name == "dcgan64" and not doubled, "name", f"dcgan64 needs images of 8, 16, 32, 64, … pixels, not {size}."),
        (name == "dcgan64" and network.dropout > 0, "dropout", f"must be 0 for dcgan64, but is {network.dropout}."),
        (name == "vgg16" and size < 32, "name", f"vgg16 needs images of 32 pixels or more, not {size}."),
        (
            bool(network.pretrained) and network.width != 1,
            "width",
            f"must be 1 with ImageNet's weights, but is {network.width}. Or set `network.pretrained: false`.",
        ),
        (name != "vgg16" and network.pretrained is not None, "pretrained", f"reaches nothing in {name}. Remove it."),
        (
            name in NETWORK_DEFAULTS and network.weight_norm,
            "weight_norm",
            f"must be false for {name}: {'its D has batch norm' if name == 'dcgan64' else 'it would undo the start'}.",
        ),
    ]
    return [Problem(f"network.{key}", message) for broken, key, message in rules if broken]


def signature_of(settings: Mapping[str, Any]) -> str:
    """Return the signature of a whole config in JSON's types."""
    return digest_of(decisive(settings))


def decisive(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide what comes out of a training.

    Those that are off are left out, so that a setting that comes with a later version, and is off unless it is asked
    for, leaves signatures as they are.
    """
    found = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            silent = EXECUTION_ONLY.get(key, set()) | IN_ITERATIONS.get(key, set())
            if value.get("policy") != "rand_augment":
                silent = silent | OF_RAND_AUGMENT
            found[key] = {inner: kept for inner, kept in value.items() if inner not in silent and kept not in OFF}
        elif value not in OFF:
            found[key] = value
    return found


OFF = (None, False, 0, "none", "keep", "crop")
"""Values of settings that are not there, or not used; no setting means different things by two of them."""


def digest_of(settings: Mapping[str, Any]) -> str:
    """Hash settings in JSON's types to 16 hex digits."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def facts_of(data: Mapping[str, Any]) -> Facts:
    """Return the facts of the data set that a `data` section names."""
    folder = data.get("folder")
    return catalogue.facts(
        str(data.get("dataset") or (UNNAMED_FOLDER if folder else Data.model_fields["dataset"].default)),
        folder=Path(str(folder)) if folder else None,
        **{key: data[key] for key in ("image_size", "channels") if isinstance(data.get(key), int)},
        fit=data["fit"] if data.get("fit") in get_args(Fit) else None,
    )


def generated_of(data: Mapping[str, Any], name: str, facts: Facts) -> GeneratedFacts | None:
    """Return the facts of the folder of generated images; None for methods that have none.

    Raises:
        InvalidInput: no folder is given, or it does not fit the data set.
    """
    if not METHODS[name].external:
        return None
    if data.get("generated") is None:
        remedy = "Give a folder, or a zip of one, with one sub-folder of generated images per class."
        raise refuse("data.generated", f"of {facts.name} is needed by method `{name}`, but missing. {remedy}")
    return generated_facts(Path(str(data["generated"])), facts)


def without_settings(choices: Mapping[str, Any]) -> list[Problem]:
    """Find sections that hold something else than settings."""
    return [
        Problem(key, f"must be a mapping of settings, but is {choices[key]!r}.")
        for key, field in Config.model_fields.items()
        if section_of(field.annotation) and not isinstance(choices.get(key), Mapping | None)
    ]


def misplaced(choices: Mapping[str, Any], name: str) -> list[Problem]:
    """Find settings that the method does not have: they would silently reach nothing."""
    return [
        Problem(key, f"reaches nothing: method `{name}` has no such part. Remove it.")
        for key, value in flatten(choices).items()
        if value not in (None, 0) and not reaches(key, name)
    ]


def known_keys(model: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """Return every dotted key that a config has."""
    keys = []
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        keys += known_keys(section, f"{prefix}{name}.") if section else [f"{prefix}{name}"]
    return keys


def is_whole(key: str) -> bool:
    """Whether a setting, by dotted key, takes whole numbers only."""
    model: type[BaseModel] | None = Config
    *parents, leaf = key.split(".")
    for parent in parents:
        field = model.model_fields.get(parent) if model else None
        model = section_of(field.annotation) if field else None
    return bool(model and leaf in model.model_fields and model.model_fields[leaf].annotation in (int, int | None))
