"""The verbs of one training without Ray: train, sample."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.options import AsJson, Overrides, print_json


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file: exported, or written by hand.")],
    overrides: Overrides = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FOLDER", help="Keep the trained classifier and generator in a new folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train one config, without Ray, and print its test accuracy.

    Example: sweeps train results/digits/best/digits-n20-dagan_aug.yaml --save weights
    """
    from sweeps.outputs.train import train_file

    outcome = train_file(config, overrides or [], save)
    if as_json:
        print_json(outcome.record)
    else:
        print(outcome.sentence)
    raise typer.Exit(0 if outcome.completed else 1)


def sample(
    what: Annotated[
        Path, typer.Argument(metavar="WHAT", help="A folder that `train --save` wrote, or a CONFIG.yaml to train.")
    ],
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="For the pictures; by default `samples` beside the weights, or here."
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Instead of pictures write a data set: a new image folder."),
    ] = None,
    per_class: Annotated[int | None, typer.Option(min=1, help="Images of each class in --to; by default 100.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the latents: the same seed, the same images.")] = 0,
    columns: Annotated[int, typer.Option(min=1, max=64, help="Images of each class on a picture.")] = 8,
    latents: Annotated[int, typer.Option(min=2, max=16, help="Latents that the interpolation passes.")] = 2,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FOLDER", help="Keep the generator that a CONFIG.yaml trains.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make pictures of generated images, or a folder of them to train on.

    Pictures: real beside generated images of each class; z going from one latent to the next; the same z in every
    class. A CONFIG.yaml is trained first, as far as the generator goes.

    Example: sweeps sample weights

    Example: sweeps sample weights --to generated --per-class 200
    """
    from dagan.errors import refuse
    from dagan.files import require_new
    from sweeps.outputs.sample import Wanted, data_settings, generator_of, write_folder, write_pictures

    if per_class and not to:
        raise refuse("--per-class", "is for an image folder. Give it too: --to FOLDER")
    if to:
        require_new(to, "--to")
    generator = generator_of(what, overrides or [], save)
    if to:
        write_folder(generator, to, per_class or 100, seed)
        # A config that has this line may lie elsewhere.
        print(f"Train on it: data: {data_settings(generator.config, to.absolute())}", file=sys.stderr)
        place = json.dumps(str(to.absolute()), ensure_ascii=False)
        print(f"Beside real images: method `external` with data: {{generated: {place}}}", file=sys.stderr)
        paths = [to]
    else:
        beside = what if what.is_dir() else save
        folder = out or (beside / "samples" if beside else Path("samples"))
        paths = write_pictures(generator, folder, Wanted(seed, columns, latents))
    if as_json:
        print_json({"signature": generator.config.signature, "seed": seed, "files": paths})
    else:
        print(*paths, sep="\n")
