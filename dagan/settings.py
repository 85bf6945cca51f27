"""The settings of a training by concern, each with its range, meaning and source; frozen, unknown keys refused."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dagan.data.facts import Fit
from dagan.data.splits import Phase, Validation

Schedule = Literal["constant", "linear", "cosine"]
"""linear: falls to 0 in a straight line; cosine: as half a cosine."""

Optimiser = Literal["adam", "sgd"]


class Section(BaseModel):
    """A frozen group of settings; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(Section):
    """Which images."""

    dataset: str = Field("digits", description="Built-in data set, or the name that a folder of images goes by.")
    folder: Path | None = Field(
        None, description="Folder, or zip of one, with one sub-folder per class (or train/, val/ and test/ of such)."
    )
    root: Path = Field(Path("data"), description="Where downloaded data sets, and KDEF, lie.")
    fingerprint: str | None = Field(None, description="Folders: hash of file names and sizes; filled in by itself.")
    image_size: int = Field(
        32, ge=8, le=512, multiple_of=4, description="Folders and kdef: pixels per side after resizing."
    )
    fit: Fit = Field(
        "crop", description="Images that are not square: cut the middle out, pad with their edges, or stretch."
    )
    channels: Literal[1, 3] = Field(3, description="Folders and kdef: 1 reads the images as grey, 3 as colour.")
    samples_per_class: int = Field(20, ge=1, description="n, images per class that the seed draws to train on.")
    phase: Phase = Field("confirm", description="search: tuning half and validation; confirm: final half and test.")
    validation: Validation = Field(
        "held_out",
        description="Validation images: the rest of the tuning half, part of the n images, or the folder's own val/.",
    )
    validation_fraction: float = Field(0.25, gt=0, lt=1, description="Share of the n images held back by `within`.")
    validation_images: int | None = Field(
        None, ge=1, description="`held_out`, `own`: the most images to validate with, as many of each class."
    )
    test_duplicates: Literal["keep", "drop"] = Field(
        "keep", description="Test images that nearly equal a training image: keep, or drop from the test."
    )
    generated: Path | None = Field(
        None, description="`external`: folder, or zip of one, with one sub-folder of generated images per class."
    )
    generated_fingerprint: str | None = Field(
        None, description="Hash of file names and sizes of `generated`; filled in by itself."
    )


class Network(Section):
    """The networks D and G."""

    name: Literal["digits", "conv32", "dcgan64", "vgg16"] = Field(
        description="Layer pattern: conv32 is the paper's Table 2, vgg16 its D for faces, dcgan64 the tutorials' GAN."
    )
    width: float = Field(1.0, gt=0, le=4, description="Multiplies every number of maps.")
    dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="After each stride-2 convolution of D; released code. vgg16: after each hidden layer.",
    )
    weight_norm: bool = Field(
        True,
        description="On D and G's last layer, data-dependent start; released code. dcgan64 and vgg16 have none.",
    )
    pretrained: bool | None = Field(None, description="vgg16: D starts from ImageNet's weights; paper.")
    weights: Path | None = Field(
        None, description="vgg16-397923af.pth, ImageNet's weights; else from torch's cache, or downloaded."
    )


class Gan(Section):
    """Stage 1, data generation: D and G in alternation."""

    iterations: int = Field(1000, ge=1, description="KG, batches of stage 1.")
    epochs: float | None = Field(
        None, gt=0, description="KG in passes over the real images, K·n/B batches each; paper: 200."
    )
    noise: float = Field(0.2, ge=0, le=1, description="σ of D's input noise in stage 1; released code: 0.2.")
    loss: Literal["joint", "pairwise"] | None = Field(
        "pairwise", description="`dagan` only; joint: paper; pairwise: released code."
    )
    feature_matching_weight: float | None = Field(
        0.5, ge=0, description="λ of eq. (4); `dagan` and `semi_gan`; released code: 0.5."
    )
    feature_matching: Literal["batch", "class"] | None = Field(
        "batch", description="One mean per batch (released code) or per class, eq. (5)."
    )
    feature_matching_norm: Literal["l1", "l2"] | None = Field(
        "l1", description="Norm of eq. (5), per feature; released code: l1."
    )
    discriminator_steps: int = Field(1, ge=1, le=10, description="D steps per iteration; released code: 1.")
    generator_steps: int = Field(2, ge=1, le=10, description="G steps per iteration; released code: 2.")
    learning_rate: float = Field(3e-4, gt=0, le=1, description="Of D and G in stage 1; released code: 3e-4.")
    generator_learning_rate: float | None = Field(
        None, gt=0, le=1, description="Of G, where it is not D's; SGD wants a far larger one than Adam."
    )
    schedule: Schedule = Field("constant", description="Of the learning rate over stage 1; released code: constant.")
    discriminator_optimiser: Optimiser = Field("adam", description="Of D in stage 1; released code: adam.")
    generator_optimiser: Optimiser = Field("adam", description="Of G; released code: adam.")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's β1, or the momentum of SGD; released code: 0.5.")
    weight_decay: float = Field(0.0, ge=0, le=1, description="Of D and G in stage 1, apart from the loss; ours.")
    generator_average_decay: float = Field(
        0.0, ge=0, lt=1, description="Images are drawn from G's moving average of this decay; 0: from G itself."
    )
    differentiable_augmentation: Literal["none", "translation", "translation+cutout", "color+translation+cutout"] = (
        Field("none", description="DiffAugment (Zhao et al. 2020): what D sees in stage 1, real and generated alike.")
    )
    latent: Literal["uniform", "normal"] = Field("uniform", description="z on [0,1) (released code) or N(0,1) (paper).")
    latent_size: int = Field(100, ge=1, description="Length of z; paper: 100.")


class Classifier(Section):
    """Stage 2, classification: only D, or a fresh network in its place, is updated."""

    iterations: int = Field(2000, ge=1, description="KC, batches of stage 2.")
    epochs: float | None = Field(
        None, gt=0, description="KC in passes over the real images, K·n/B batches each; paper: 500, and 600 for `c`."
    )
    noise: float = Field(
        ge=0,
        le=1,
        description="σ of the classifier's input noise in stage 2; released code: 0.2, and 0 for `dagan_aug`.",
    )
    start: Literal["warm", "fresh"] | None = Field(
        "warm",
        description="warm: D goes on as the classifier (paper); fresh: a new network, all that `cgan` and"
        " `vanilla_gan` can do.",
    )
    batch_size: int = Field(100, ge=2, description="B, real images per batch, in both stages; released code: 100.")
    learning_rate: float = Field(3e-4, gt=0, le=1, description="Of stage 2; released code: 3e-4.")
    schedule: Schedule = Field("constant", description="Of the learning rate over stage 2; released code: constant.")
    optimiser: Optimiser = Field(
        "adam", description="Of stage 2; a warm start keeps Adam's state; released code: adam."
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's β1, or the momentum of SGD; released code: 0.5.")
    weight_decay: float = Field(0.0, ge=0, le=1, description="Of stage 2, apart from the loss; ours.")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of each label that is spread over all classes (Szegedy et al. 2016)."
    )
    mixup: float = Field(
        0.0, ge=0, le=16, description="α of MixUp (Zhang et al. 2018): images mixed in shares of Beta(α, α); 0: none."
    )
    cutmix: float = Field(
        0.0,
        ge=0,
        le=16,
        description="α of CutMix (Yun et al. 2019): boxes exchanged of areas by Beta(α, α); 0: none. With `mixup`,"
        " one of the two is drawn for each batch.",
    )
    generated: Literal["online", "offline"] | None = Field(
        "online",
        description="online: drawn afresh for each batch (paper); offline: drawn once, round(r·n) per class, to join"
        " the training images.",
    )
    augmentation_ratio: float = Field(
        ge=0, le=16, description="r: round(r·B) generated images join each batch; paper: 1."
    )
    augmentation_schedule: Literal["constant", "linear"] | None = Field(
        "constant", description="linear: r falls to 0 over stage 2; ours."
    )
    confidence: float | None = Field(
        0.0,
        ge=0,
        lt=1,
        description="Generated images that the classifier in training gives their own class less than this"
        " probability do not count; 0: all count.",
    )
    average_decay: float = Field(
        0.999,
        ge=0,
        lt=1,
        description="Moving average of D's weights, used to evaluate; after t updates at most (1 + t)/(10 + t).",
    )


class Augmentation(Section):
    """Classical augmentation of real images, drawn anew for each batch."""

    stage_1: bool | None = Field(False, description="In stage 1 too; released code: in stage 2 alone.")
    rotation: float = Field(0.0, ge=0, le=180, description="Degrees, uniform in ±.")
    shift: float = Field(0.0, ge=0, le=0.5, description="Share of the image size, uniform in ±, per axis.")
    horizontal_flip: bool = Field(False, description="Mirror half of the images.")
    brightness: float = Field(
        0.0, ge=0, le=1, description="Share of the range from black to white, uniform in ±, added to the whole image."
    )
    policy: Literal["none", "rand_augment", "trivial_augment"] = Field(
        "none",
        description="After these: RandAugment (Cubuk et al. 2020) or TrivialAugment (Müller & Hutter 2021).",
    )
    policy_operations: int = Field(2, ge=1, le=14, description="RandAugment: operations per image.")
    policy_magnitude: int = Field(9, ge=0, le=30, description="RandAugment: strength of each operation.")
    erasing: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Last of all: share of images of which a random box is erased (Zhong et al. 2020).",
    )


class Compute(Section):
    """How to compute."""

    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …; auto takes a GPU where there is one.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="auto: bfloat16 on GPUs that have it and, but for the network `digits`, on CPUs with AVX512-BF16"
        " or AMX.",
    )
    threads: int = Field(1, ge=1, description="CPU threads. More may change the last bits of a result.")
