"""Everything that decides a training, as one frozen value with a signature.

`Config.of({...})` takes a nested mapping of what the user chose and resolves the rest: the defaults that hang
on the method and the data set, so that the value that is stored, hashed and trained is the whole of it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dagan import catalogue
from dagan.catalogue import Facts
from dagan.methods import METHODS, Method
from dagan.problem import InvalidInput, Problem, refuse, unknown
from dagan.splits import Phase, capacity

EXECUTION_ONLY: dict[str, Any] = {"data": {"root", "folder"}, "compute": {"device", "threads"}}
"""What says where and how fast a training runs, not what comes out of it; no part of the signature."""


class Section(BaseModel):
    """A frozen group of settings; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(Section):
    """Which images."""

    dataset: str = Field("digits", description="Built-in data set, or the name that a folder of images goes by.")
    folder: Path | None = Field(
        None, description="Folder, or zip of one, with one sub-folder per class (or train/ and test/ of such)."
    )
    root: Path = Field(Path("data"), description="Where downloaded data sets, and KDEF, lie.")
    fingerprint: str | None = Field(None, description="Folders: hash of file names and sizes; filled in by itself.")
    image_size: int = Field(
        32, ge=8, le=512, multiple_of=4, description="Folders and kdef: pixels per side after resizing."
    )
    channels: Literal[1, 3] = Field(3, description="Folders and kdef: 1 reads the images as grey, 3 as colour.")
    samples_per_class: int = Field(20, ge=1, description="n, images per class that the seed draws to train on.")
    phase: Phase = Field("confirm", description="search: tuning half and validation; confirm: final half and test.")
    validation: Literal["held_out", "within"] = Field(
        "held_out",
        description="Validation images: the rest of the tuning half, or part of the n images themselves.",
    )
    validation_fraction: float = Field(0.25, gt=0, lt=1, description="Share of the n images held back by `within`.")


class Network(Section):
    """The networks D and G. ALGORITHM §3."""

    name: Literal["digits", "conv32"] = Field(description="Layer pattern: conv32 is the paper's Table 2.")
    width: float = Field(1.0, gt=0, le=4, description="Multiplies every number of maps.")
    noise: float = Field(ge=0, le=1, description="σ of D's input noise while training; released code: 0.2, 0 for _aug.")
    dropout: float = Field(0.5, ge=0, lt=1, description="After each stride-2 convolution of D; released code.")
    weight_norm: bool = Field(True, description="On D and G's last layer, data-dependent start; released code.")


class Gan(Section):
    """Stage 1, data generation: D and G in alternation. ALGORITHM §2."""

    iterations: int = Field(1000, ge=1, description="KG, batches of stage 1.")
    loss: Literal["joint", "pairwise"] = Field("pairwise", description="joint: paper; pairwise: released code.")
    feature_matching_weight: float = Field(0.5, ge=0, description="λ of eq. (4).")
    feature_matching: Literal["batch", "class"] = Field(
        "batch", description="One mean per batch or per class, eq. (5)."
    )
    feature_matching_norm: Literal["l1", "l2"] = Field("l1", description="Norm of eq. (5), per feature.")
    generator_steps: int = Field(2, ge=1, le=10, description="G steps per D step; released code: 2.")
    learning_rate: float = Field(3e-4, gt=0, le=1, description="Adam, of D and G in stage 1; released code: 3e-4.")
    latent: Literal["uniform", "normal"] = Field("uniform", description="z on [0,1) (released code) or N(0,1) (paper).")
    latent_size: int = Field(100, ge=1, description="Length of z.")


class Classifier(Section):
    """Stage 2, classification: only D is updated. ALGORITHM §2."""

    iterations: int = Field(2000, ge=1, description="KC, batches of stage 2.")
    batch_size: int = Field(100, ge=2, description="B, real images per batch, in both stages; released code: 100.")
    learning_rate: float = Field(3e-4, gt=0, le=1, description="Adam, stage 2; released code: 3e-4.")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's β1, in both stages; released code: 0.5.")
    augmentation_ratio: float = Field(
        ge=0, le=16, description="r: round(r·B) generated images join each batch; paper: 1."
    )
    average_decay: float = Field(0.999, ge=0, lt=1, description="Moving average of D's weights, used to evaluate.")


class Augmentation(Section):
    """Classical augmentation of real images, drawn anew for each batch."""

    rotation: float = Field(0.0, ge=0, le=180, description="Degrees, uniform in ±.")
    shift: float = Field(0.0, ge=0, le=0.5, description="Share of the image size, uniform in ±, per axis.")
    horizontal_flip: bool = Field(False, description="Mirror half of the images.")
    brightness: float = Field(
        0.0, ge=0, le=1, description="Share of the range from black to white, uniform in ±, added to the whole image."
    )


class Compute(Section):
    """How to compute."""

    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …; auto takes a GPU where there is one.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 on GPUs that have it."
    )
    threads: int = Field(1, ge=1, description="CPU threads. More may change the last bits of a result.")


AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "digits": {"rotation": 15.0, "shift": 0.1},
    "mnist": {"rotation": 15.0, "shift": 0.1},
    # Photographed upright and centred; a mirrored shirt is a shirt, and so is a mirrored shoe a shoe.
    "fashion_mnist": {"rotation": 5.0, "shift": 0.1, "horizontal_flip": True},
    "cifar10": {"rotation": 20.0, "shift": 0.1, "horizontal_flip": True},
    # Neighbouring digits stand at the edges: a larger shift would bring one of them to the middle.
    "svhn": {"rotation": 10.0, "shift": 0.05},
    "kdef": {"rotation": 10.0, "shift": 0.05, "horizontal_flip": True, "brightness": 0.1},
}
"""Classical augmentation per data set: nothing that can change the label. ALGORITHM §4."""
FOLDER_AUGMENTATION = {"rotation": 10.0, "shift": 0.1}


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
        facts = None
        try:
            facts = facts_of(choices.get("data") or {})
        except InvalidInput as error:
            problems += error.problems
        resolved = with_defaults(choices, name, facts)
        try:
            config = cls.model_validate_json(json.dumps(resolved))
        except ValidationError as error:
            raise InvalidInput(problems + problems_of(error, cls, resolved)) from None
        if facts:
            problems += config.mismatches(facts)
        if problems:
            raise InvalidInput(problems)
        return config

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
        value = self.model_dump(mode="json", exclude=EXECUTION_ONLY)
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]

    def mismatches(self, facts: Facts) -> list[Problem]:
        """Rules that tie the settings to the data set."""
        problems = []
        room = capacity(facts.per_class, has_test=facts.has_test, validation=self.data.validation)
        if self.data.samples_per_class > room:
            remedy = "" if self.data.validation == "within" else " (`data.validation: within` needs no half held back)"
            problems.append(
                Problem(
                    "data.samples_per_class",
                    f"must be <= {room} for {facts.name}, whose smallest class has {min(facts.per_class)} images,"
                    f" but is {self.data.samples_per_class}{remedy}.",
                )
            )
        if self.data.validation == "within" and self.data.samples_per_class < 2:
            problems.append(Problem("data.samples_per_class", "must be >= 2 with `validation: within`, but is 1."))
        for key, value in (("image_size", facts.image_size), ("channels", facts.channels)):
            if getattr(self.data, key) != value:
                problems.append(Problem(f"data.{key}", f"is {value} for {facts.name} and cannot be chosen. Remove it."))
        if self.data.fingerprint != facts.fingerprint:
            problems.append(
                Problem(
                    "data.fingerprint",
                    f"the images in {self.data.folder} are not the ones recorded; remove the"
                    " key to train on what is there now.",
                )
            )
        return problems


def facts_of(data: Mapping[str, Any]) -> Facts:
    """The facts of the data set that a `data` section names."""
    folder = data.get("folder")
    return catalogue.facts(
        str(data.get("dataset", "digits")),
        folder=Path(str(folder)) if folder else None,
        **{key: data[key] for key in ("image_size", "channels") if isinstance(data.get(key), int)},
    )


def with_defaults(choices: Mapping[str, Any], name: str, facts: Facts | None) -> dict[str, Any]:
    """The choices with every default that hangs on the method or the data set filled in."""
    method = METHODS[name]
    sections = {key: choices.get(key) or {} for key in ("data", "network", "gan", "classifier", "augmentation")}
    dataset = facts.name if facts and not facts.fingerprint else ""  # a folder may go by any name
    small = dataset in ("digits", "mnist", "fashion_mnist")
    sections["network"] = {
        "name": "digits" if small else "conv32",
        "noise": 0.0 if method.augmented else 0.2,
    } | sections["network"]
    sections["classifier"] = {"augmentation_ratio": 1.0 if method.generator else 0.0} | sections["classifier"]
    sections["augmentation"] = AUGMENTATIONS.get(dataset, FOLDER_AUGMENTATION) | sections["augmentation"]
    if facts and facts.fingerprint:
        sections["data"] = {"fingerprint": facts.fingerprint} | sections["data"]
    if facts and not facts.fingerprint:
        sections["data"] = {"image_size": facts.image_size, "channels": facts.channels} | sections["data"]
    return {
        **choices,
        **sections,
        "method": name,
        "gan": sections["gan"] if method.generator else None,
        "augmentation": sections["augmentation"] if method.augmented else None,
        "compute": choices.get("compute") or {},
    }


def reaches(key: str, name: str) -> bool:
    """Whether a setting, by dotted key, has any effect on a method."""
    method = METHODS[name]
    if key.startswith("gan") or key == "classifier.augmentation_ratio":
        return method.generator is not None
    return method.augmented if key.startswith("augmentation") else True


def without_settings(choices: Mapping[str, Any]) -> list[Problem]:
    """Sections that hold something else than settings."""
    return [
        Problem(key, f"must be a mapping of settings, but is {choices[key]!r}.")
        for key, field in Config.model_fields.items()
        if section_of(field.annotation) and not isinstance(choices.get(key), Mapping | None)
    ]


def misplaced(choices: Mapping[str, Any], name: str) -> list[Problem]:
    """Settings that the method does not have: they would silently reach nothing."""
    return [
        Problem(key, f"reaches nothing: method `{name}` has no such part. Remove it.")
        for key, value in flatten(choices).items()
        if value not in (None, 0) and not reaches(key, name)
    ]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten`."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, leaf = key.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The nested mapping `base` with the values of `change` in their places."""
    return nest(flatten(base) | flatten(change))


def known_keys(model: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """Every dotted key that a config has."""
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
    return bool(model and leaf in model.model_fields and model.model_fields[leaf].annotation is int)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section model in an annotation such as `Gan | None` or `list[str | Dataset]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := section_of(inner))), None)


def problems_of(error: ValidationError, model: type[BaseModel], tree: Any) -> list[Problem]:
    """A pydantic error on a tree as problems: rule, value and, for an unknown key, the nearest known one.

    Where several forms are allowed, what each of them would need is one problem, said where it is deepest.
    """
    rules: dict[str, list[str]] = {}
    values: dict[str, str] = {}
    problems = []
    for item in error.errors():
        path = there(tree, item["loc"])
        where = ".".join(path)
        if item["type"] == "extra_forbidden":
            problems.append(Problem(where, unknown("key", path[-1], siblings(model, path))))
        elif item["type"] == "missing":
            problems.append(Problem(".".join([*path, str(item["loc"][-1])]), "is needed, but missing."))
        else:
            rules.setdefault(where, []).append(rule_of(item["type"], item["msg"]))
            # Rules of our own name the values that they are about.
            values[where] = "" if item["type"] == "value_error" else f", but is {item['input']!r}"
    for where, needed in rules.items():
        problems.append(Problem(where, f"must be {' or '.join(dict.fromkeys(needed))}{values[where]}."))
    deeper = tuple(problem.where for problem in problems)
    return [one for one in problems if not any(where.startswith(f"{one.where}.") for where in deeper)]


def rule_of(kind: str, message: str) -> str:
    """A pydantic message as the end of the sentence “must be …”."""
    plain = {
        "string_pattern_mismatch": "a name of letters, digits, `_`, `.` and `-`, with a letter or digit first",
        "list_type": "a list",
        "too_short": "a list with at least one item",
    }
    rule = message.removeprefix("Input should be ").removeprefix("Value error, ")
    return plain.get(kind, rule[0].lower() + rule[1:])


def there(tree: Any, location: Sequence[int | str]) -> list[str]:
    """The part of a pydantic location that is in the tree: names of the forms that it tried are left out."""
    path = []
    for part in location:
        inside = isinstance(tree, dict) and part in tree
        if inside or (isinstance(tree, list) and isinstance(part, int) and part < len(tree)):
            tree = tree[part]
            path.append(str(part))
    return path


def siblings(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """The keys that are known where the last part of a path stands."""
    for part in path[:-1]:
        field = model.model_fields.get(part)
        model = (section_of(field.annotation) if field else None) or model
    return list(model.model_fields)
