"""Samples a trained generator: labelled pictures, or an image folder to train on; `sweeps sample`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from rich.console import Console

from analysis.findings.pictures import Pixels
from analysis.plots.image_sheet import Panel, sheet
from dagan.compute.random_streams import Streams
from dagan.config import Config, facts_of
from dagan.errors import InvalidInput, Problem, refuse
from dagan.evaluation.pictures import pixels, real_grid
from dagan.files import new_folder, require_new, write_atomically
from dagan.methods import METHODS
from dagan.settings import Gan
from dagan.training.dataset import at_hand, training_images
from dagan.weights import load, save
from sweeps.outputs.cards import MANIFEST
from sweeps.outputs.train import read_choices, trained
from sweeps.records.provenance import commit, of_training, versions
from sweeps.records.run_folder import shown

if TYPE_CHECKING:
    from dagan.training.inference import TrainedGenerator


@dataclass(frozen=True)
class Wanted:
    """What the pictures show: how many images, of which latents."""

    seed: int = 0
    columns: int = 8
    """Images of each class, real or generated."""
    latents: int = 2
    """Ends and turning points of the interpolation."""
    steps: int = 8
    """Steps from each of them to the next."""


def generator_of(what: Path, overrides: Sequence[str], keep: Path | None) -> "TrainedGenerator":
    """Load the generator from a folder of weights, or train it by stage 1 of a config file.

    Raises:
        InvalidInput: `what` is neither of the two, or its method has no generator.
        RuntimeError: the training diverged.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if what.is_dir():
        needless = [f"--set {text}" for text in overrides] + ([f"--save {keep}"] if keep else [])
        if needless:
            raise InvalidInput(
                [
                    Problem(option.split()[0], f"must be left out for weights, which are trained, but is `{option}`.")
                    for option in needless
                ]
            )
        kept = load(what)
        gan_of(kept.config)
        if kept.generator is None:
            raise refuse("WHAT", f"`{what}` must hold the weights of a generator, but has those of a classifier alone.")
        return kept.generator
    config, _ = read_choices(what, overrides)
    iterations = gan_of(config).iterations
    if keep:
        require_new(keep, "--save")
    console.print(f"Training the generator first (stage 1, {iterations} iterations).", markup=False)
    training = trained(config, console, generation_only=True)
    if training.status == "diverged":
        raise RuntimeError(f"diverged: {training.error}")
    if keep:
        provenance = of_training(training.machine, threads=config.compute.threads, commit=commit())
        save(training, keep, {"provenance": provenance})
        console.print(f"Generator kept: {shown(keep.absolute())}", markup=False)
    else:
        console.print("To keep the generator for the next time: --save FOLDER", markup=False)
    assert training.generation is not None
    return training.generation.trained


def gan_of(config: Config) -> Gan:
    """The settings of stage 1.

    Raises:
        InvalidInput: the method has no generator.
    """
    if not config.gan:
        having = ", ".join(name for name, method in METHODS.items() if method.adversary)
        raise refuse("method", f"must have a generator, but `{config.method}` has none. Methods with one: {having}.")
    return config.gan


def write_pictures(generator: "TrainedGenerator", folder: Path, wanted: Wanted) -> list[Path]:
    """Write the three pictures; the first has real images too, where they are at hand."""
    sheets = {
        "classes": classes_sheet(generator, wanted),
        "interpolation": interpolation_sheet(generator, wanted),
        "same-latents": same_latents_sheet(generator, wanted),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in sheets.items():
        path = folder / f"{name}.png"
        write_atomically(path, content)
        paths.append(path)
    return paths


def classes_sheet(generator: "TrainedGenerator", wanted: Wanted) -> bytes:
    """Draw a row per class: real training images, if they are at hand, beside generated ones."""
    classes = generator.classes
    flat = pixels(generator.sampled(wanted.columns, stream(wanted.seed, "classes")).images)
    generated = flat.reshape(wanted.columns, len(classes), *flat.shape[1:]).swapaxes(0, 1)
    panels = [Panel(generated, heading="generated")]
    real = real_images(generator.config, wanted.columns)
    if real is not None:
        panels.insert(0, Panel(real, heading="real, of the training"))
    return sheet(panels, rows=classes, title=title(generator.config), note=f"Fresh latents, seed {wanted.seed}.")


def interpolation_sheet(generator: "TrainedGenerator", wanted: Wanted) -> bytes:
    """Draw a column per class; from the first row to the last z goes from one latent to the next."""
    points = generator.latents(wanted.latents, stream(wanted.seed, "interpolation"))
    images = generator.in_every_class(generator.path(points, wanted.steps), wanted.seed)
    rows = [latent_name(row // wanted.steps) if row % wanted.steps == 0 else "" for row in range(len(images))]
    panel = Panel(in_rows(images), columns=generator.classes)
    note = f"Down a column z goes from {latent_name(0)} to {latent_name(wanted.latents - 1)}; seed {wanted.seed}."
    return sheet([panel], rows=rows, title=title(generator.config), note=note)


def same_latents_sheet(generator: "TrainedGenerator", wanted: Wanted) -> bytes:
    """Draw a row per class and a column per latent, with the same z down a column. DAGAN paper, Fig. 4."""
    latents = generator.latents(wanted.columns, stream(wanted.seed, "same_latents"))
    images = in_rows(generator.in_every_class(latents, wanted.seed)).swapaxes(0, 1)
    panel = Panel(images, columns=tuple(map(latent_name, range(wanted.columns))))
    note = f"Down a column z is the same; seed {wanted.seed}."
    return sheet([panel], rows=generator.classes, title=title(generator.config), note=note)


def in_rows(images: torch.Tensor) -> Pixels:
    """Pixels of images (latents, classes, channels, height, width), with channels last."""
    flat = pixels(images.flatten(0, 1))
    return flat.reshape(*images.shape[:2], *flat.shape[1:])


def title(config: Config) -> str:
    """Title of a picture: method, data set, images per class."""
    return f"{config.method} on {config.facts.name}, {config.data.samples_per_class} images per class"


def latent_name(index: int) -> str:
    """z₁, z₂, …."""
    return "z" + str(index + 1).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def stream(seed: int, purpose: str) -> torch.Generator:
    """Random stream of one picture or folder, on the CPU, so that it is the same for any device."""
    return Streams(seed, torch.device("cpu")).fresh(f"sample.{purpose}")


def real_images(config: Config, columns: int) -> Pixels | None:
    """Training images, at most so many of each class; None, with a warning, where the data set is not at hand."""
    try:
        if facts_of(config.data.model_dump()) != config.facts:
            raise refuse("data", f"{config.facts.name} has changed since the training.")
        if not at_hand(config):
            raise refuse("data.root", f"{config.data.root} does not hold {config.facts.name}.")
        train = training_images(config, torch.device("cpu"))
    except (InvalidInput, OSError) as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"No real images beside the generated ones: {error}", markup=False)
        return None
    return real_grid(train, len(config.facts.classes), min(columns, config.data.samples_per_class))


def write_folder(generator: "TrainedGenerator", folder: Path, per_class: int, seed: int) -> None:
    """Write an image folder: a sub-folder with so many PNG files per class, and a manifest of them.

    Raises:
        InvalidInput: the folder is neither new nor empty, or a class has a name that no folder can have.
    """
    classes, config = generator.classes, generator.config
    require_folder_names(classes)
    with new_folder(folder, "--to", last=MANIFEST) as inside:
        for name in classes:
            (inside / name).mkdir()
        batches = generator.batches(per_class, stream(seed, "folder"))
        listed = []
        for position, image in enumerate(image for batch in batches for image in pixels(batch.images)):
            index, label = divmod(position, len(classes))
            file = f"{classes[label]}/{index:0{len(str(per_class - 1))}}.png"
            Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(inside / file)
            listed.append({"file": file, "class": classes[label], "index": index, "latent": position})
        manifest = {
            "signature": config.signature,
            "method": config.method,
            "dataset": config.facts.name,
            "samples_per_class": config.data.samples_per_class,
            "per_class": per_class,
            "latent_seed": seed,
            "provenance": {"commit": commit(), **versions(), "device": generator.machine.name},
            "images": sorted(listed, key=lambda entry: str(entry["file"])),
        }
        (inside / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def require_folder_names(classes: Sequence[str]) -> None:
    """Refuse class names that are no plain names of folders: weights may come from anywhere."""
    problems = [
        Problem("classes", f"must be names that a folder can have, with no `/`, but one is `{name}`.")
        for name in classes
        if not name or name.startswith(".") or any(part in name for part in ("/", "\\", "\0"))
    ]
    if problems:
        raise InvalidInput(problems)


def data_settings(config: Config, folder: Path) -> str:
    """The `data` settings with which a config trains on a folder of generated images, as YAML."""
    return (
        f"{{folder: {json.dumps(str(folder), ensure_ascii=False)}, image_size: {config.facts.image_size},"
        f" channels: {config.facts.channels}}}"
    )
