"""Looks for test images that nearly equal training images, for the report of a study."""

import io
from contextlib import suppress

from analysis.findings.pictures import read_duplicates
from dagan.config import Config, digest_of
from dagan.errors import InvalidInput, refuse
from dagan.files import write_atomically
from sweeps.planning.plan import Plan
from sweeps.records.run_folder import RunFolder

SHOWN = 12
"""Pairs that the report shows, from the most alike to the least."""
SIDE = 64
"""Pixels per side that a picture is reduced to, about, where it has more."""


def find_duplicates(plan: Plan, folder: RunFolder) -> None:
    """Keep for each data set how many of its test images nearly equal a training image, with pictures of some pairs.

    Only once confirm trials have opened the test. A data set that cannot be read here is passed over, as reports are
    made on other machines too; what is known of it already stays.
    """
    for dataset in plan.study.cell_datasets:
        tested = [entry for entry in plan.entries if entry.dataset == dataset.name and entry.test_accuracy is not None]
        if not tested:
            continue
        data = {key: value for key, value in tested[0].config["data"].items() if not key.startswith("generated")}
        keys = ("dataset", "fingerprint", "image_size", "channels", *(["fit"] if data.get("fit") != "crop" else []))
        images = digest_of({key: data.get(key) for key in keys})
        path = folder.duplicates / f"{dataset.name}.npz"
        known = read_duplicates(path)
        if known is None or known.images != images:
            with suppress(InvalidInput, OSError):  # a report without this is still a report
                content = found(Config.of({"method": "c", "data": data}), images)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, content)


def found(config: Config, images: str) -> bytes:
    """What the report says and shows of one data set, `images` by name: an npz file.

    Raises:
        InvalidInput: images that are not there, or cannot be read.
    """
    import numpy as np

    from dagan.data.duplicates import duplicates, tested
    from dagan.training.dataset import at_hand, divided

    if not at_hand(config, test=True):
        raise refuse("data.root", "must hold the images, but does not: for a report none are downloaded.")
    source, parts = divided(config)
    pixels, _ = tested(source, parts.test)
    pairs = duplicates(config.facts, source, parts.test)
    order = np.argsort(-pairs.similarity, kind="stable")
    shown = order[np.linspace(0, len(pairs) - 1, min(SHOWN, len(pairs))).astype(int)]
    step = max(1, config.facts.image_size // SIDE)
    test, training = pixels[pairs.candidates[shown]], source.pixels(pairs.originals[shown])
    file = io.BytesIO()
    np.savez_compressed(
        file,
        images=np.array(images),
        test_images=np.array(len(pixels)),
        training_images=np.array(len(source.labels) - len(parts.test)),
        copies=np.array(len(pairs)),
        test=test[:, ::step, ::step],
        training=training[:, ::step, ::step],
    )
    return file.getvalue()
