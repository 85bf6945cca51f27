"""The stage key: a hash of the settings that the state of a stage at an iteration depends on, and of no others.

Two configs with one stage key go through the same states, bit for bit, as far as both go; so one of them can be trained
from a snapshot of the other. Stage 1 knows nothing of KC, r, or how the classifier learns; KG and KC themselves only
say how far a stage goes, unless a schedule runs over them. Where real images are augmented in stage 2 alone, a method
and its `_aug` train one GAN.
"""

from typing import Any

from dagan.config import Config, decisive, digest_of
from dagan.stages import Stage


def stage_key(config: Config, stage: Stage) -> str:
    """Return 16 hex digits: equal for two configs exactly if one can go on from the other's snapshot in this stage."""
    settings = decisive(config.model_dump(mode="json"))
    settings["data"].pop("test_duplicates", None)  # no image that is trained on hangs on it
    return digest_of(generation_settings(config, settings) if stage == "generation" else without_kc(config, settings))


def generation_settings(config: Config, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that affect stage 1; of the method the adversary alone, as heads of stage 2 come later."""
    gan = dict(settings.get("gan", {}))
    if config.gan and config.gan.schedule == "constant":
        del gan["iterations"]
    # D's average is taken from stage 1 on, where D can become the classifier.
    averaged = {"average_decay": config.classifier.average_decay} if config.row.continues else {}
    return {
        "stage": "generation",
        "adversary": config.row.adversary,
        "augmentation": settings.get("augmentation") if augmented_in_stage_1(config) else None,
        **{key: settings.get(key) for key in ("seed", "data", "network", "compute")},
        "gan": gan,
        "classifier": {"batch_size": config.classifier.batch_size, **averaged},
    }


def without_kc(config: Config, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that affect stage 2: all, but for KC where no schedule runs over it."""
    classifier = dict(settings["classifier"])
    if config.classifier.schedule == "constant" and config.classifier.augmentation_schedule in ("constant", None):
        del classifier["iterations"]
    return {**settings, "stage": "classification", "classifier": classifier}


def augmented_in_stage_1(config: Config) -> bool:
    """Whether stage 1 sees classically augmented images."""
    return bool(config.augmentation and config.augmentation.stage_1)


def affects_stage_1(key: str, config: Config) -> bool:
    """Whether a setting of a config, by dotted key, affects its stage 1, if only how far it goes."""
    if key.startswith("augmentation.") and key != "augmentation.stage_1":
        return augmented_in_stage_1(config)
    return not key.startswith("classifier.") or key in ("classifier.batch_size", "classifier.average_decay")
