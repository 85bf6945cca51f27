"""The defaults that depend on the method, the network or the data set, and which setting reaches which method."""

from collections.abc import Mapping
from typing import Any, get_args

from dagan.data.facts import Facts
from dagan.data.generated import GeneratedFacts
from dagan.methods import METHODS
from dagan.settings import Augmentation, Classifier, Data, Gan, Network, Section

OF_GENERATED_IMAGES = {
    f"classifier.{key}" for key in ("generated", "augmentation_ratio", "augmentation_schedule", "confidence")
}
"""What stage 2 does with generated images."""

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
"""Classical augmentation per data set: nothing that can change the label."""

FOLDER_AUGMENTATION = {"rotation": 10.0, "shift": 0.1}

FEWEST_VALIDATION_IMAGES = 500
"""Unless there are fewer: of 500 an accuracy of 90 % is known to ±2.6 points."""

SGD_RATE = 0.05
"""Of dcgan64's G: at Adam's 3e-4 its images moved by a thousandth of their range in 100 iterations."""

NETWORK_DEFAULTS: dict[str, dict[str, Any]] = {
    "dcgan64": {"dropout": 0.0, "weight_norm": False},
    "vgg16": {"weight_norm": False, "pretrained": True},
}
"""Where a network's defaults are not those of `Network`."""


def with_defaults(
    choices: Mapping[str, Any], name: str, facts: Facts | None, generated: GeneratedFacts | None = None
) -> dict[str, Any]:
    """Fill in every default that depends on the method, the data set or the folder of generated images."""
    method = METHODS[name]
    sections = {key: choices.get(key) or {} for key in ("data", "network", "gan", "classifier", "augmentation")}
    dataset = facts.name if facts and facts.is_built_in else ""
    small = dataset in ("digits", "mnist", "fashion_mnist")
    network = {"name": "digits" if small else "conv32"} | with_nothing_unreached(
        sections["network"], "network", Network, name
    )
    sections["network"] = NETWORK_DEFAULTS.get(str(network["name"]), {}) | network
    if network["name"] == "dcgan64":
        sections["gan"] = {"generator_optimiser": "sgd"} | sections["gan"]
        if sections["gan"]["generator_optimiser"] == "sgd":
            sections["gan"] = {"generator_learning_rate": SGD_RATE} | sections["gan"]
    sections["classifier"] = {
        "augmentation_ratio": 1.0 if method.has_generated else 0.0,
        "noise": 0.0 if method.augmented else 0.2,
    } | sections["classifier"]
    sections["augmentation"] = AUGMENTATIONS.get(dataset, FOLDER_AUGMENTATION) | sections["augmentation"]
    for section, model in (("gan", Gan), ("classifier", Classifier), ("augmentation", Augmentation)):
        sections[section] = with_nothing_unreached(sections[section], section, model, name)
    if facts:
        own: dict[str, Any] = {"fingerprint": facts.fingerprint} if facts.fingerprint else {}
        own |= {"validation": "own"} if facts.has_validation else {}
        own |= {"dataset": facts.name, "image_size": facts.image_size, "channels": facts.channels}
        own |= {"generated_fingerprint": generated.fingerprint} if generated else {}
        sections["data"] = own | sections["data"] | of_phase(sections["data"], facts)
    return {
        **choices,
        **sections,
        "method": name,
        "gan": sections["gan"] if method.adversary else None,
        "augmentation": sections["augmentation"] if method.augmented else None,
        "compute": choices.get("compute") or {},
    }


def of_phase(data: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Return the settings of `data` that the phase decides: where no image is tested, none is dropped from the test."""
    untested = data.get("phase", "confirm") == "search" and data.get("test_duplicates") == "drop"
    return validation_images(data, facts) | ({"test_duplicates": "keep"} if untested else {})


def validation_images(data: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Return how many images to validate with: by default as many as are trained on, and 500 where these are fewer.

    Nobody who has n labelled images per class to train on has all the others of a benchmark to choose settings by.
    None where no images are held out to validate with: in `confirm`, and with `validation: within`.
    """
    if data.get("phase", "confirm") == "confirm" or data.get("validation") == "within":
        return {"validation_images": None}
    if data.get("validation_images") is not None:
        return {}
    n = data.get("samples_per_class", Data.model_fields["samples_per_class"].default)
    return {"validation_images": max(FEWEST_VALIDATION_IMAGES, len(facts.classes) * n) if isinstance(n, int) else None}


def with_nothing_unreached(chosen: Mapping[str, Any], section: str, model: type[Section], name: str) -> dict[str, Any]:
    """Set the optional settings of a section that do not reach the method to None, and only these."""
    optional = [key for key, field in model.model_fields.items() if type(None) in get_args(field.annotation)]
    unreached = dict.fromkeys(key for key in optional if not reaches(f"{section}.{key}", name))
    return {key: value for key, value in chosen.items() if value is not None or key not in optional} | unreached


def reaches(key: str, name: str) -> bool:
    """Whether a setting, by dotted key, has any effect on a method."""
    method = METHODS[name]
    if key == "gan.loss":
        return method.adversary == "doubled"
    if key.startswith("gan.feature_matching") or key == "classifier.start":
        return method.continues
    if key in OF_GENERATED_IMAGES:
        return method.has_generated
    if key.startswith("data.generated"):
        return method.external
    if key.startswith("gan"):
        return method.adversary is not None
    if key == "augmentation.stage_1":
        return method.augmented and method.adversary is not None
    return method.augmented if key.startswith("augmentation") else True
