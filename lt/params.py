"""What params.yaml holds, as types, and what `resolve` makes of it for each stage."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lt import files

METHODS_DIR = Path(__file__).parent / "methods"
PROFILE = "profile"  # a value that the profile gives
AUTO = "auto"  # of data.imb_type: what suits the dataset
FRESH = "fresh"  # the start of a method that starts from no other
CLASSES = {"digits": 10, "cifar10": 10, "cifar100": 100}  # how many there are
LARGE_FOR_ADAMW = 0.05  # a learning rate
SIDES = {"digits": 8, "cifar10": 32, "cifar100": 32}  # pixels

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]  # [0, 1)
Factor = Annotated[float, Field(gt=0, le=1)]  # (0, 1]
Part = Annotated[float, Field(gt=0, lt=1)]  # (0, 1)
Unit = Annotated[float, Field(ge=0, le=1)]  # [0, 1]
Three = Field(min_length=3, max_length=3)  # one for each colour
Pixels = Annotated[int, Field(ge=8, le=1024)]
Several = Annotated[int, Field(ge=2)]
Networks = Annotated[int, Field(ge=1, le=100)]
Branches = Annotated[int, Field(ge=2, le=100)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Method = Annotated[str, Field(description="the name of a method (docs/methods.md)")]
Place = Annotated[str, Field(min_length=1, description="a path")]

BACKBONES = ["resnet18", "resnet18_cifar", "resnet20", "resnet32", "resnet50", "resnext50_32x4d"]
BACKBONES += ["mobilenet_v3_small", "convnext_tiny"]
Backbone = Annotated[
    str,
    Field(
        pattern=rf"^({'|'.join(BACKBONES)}|timm:[\w./-]+)$",
        description=f"one of {', '.join(BACKBONES)}, or timm:<a name of timm's>",
    ),
]
Weights = Annotated[
    str,
    Field(pattern=r"\.(safetensors|pth|pt)$", description="a file .safetensors, .pth or .pt"),
]

Rule = Literal[
    "concat",
    "sum",
    "concat_abssum",
    "concat_softmax",
    "concat_zscore",
    "temperature",
    "affine",
    "group_offset",
    "prior_offset",
    "rest",
    "rest_pair",
    "max_confidence",
    "unlabelled",
]


@dataclass(frozen=True, config=STRICT)
class Data:
    """Which long-tailed dataset is made, and how."""

    name: Literal["digits", "cifar10", "cifar100", "images"]
    imb_type: Literal["exp", "step", "none"]
    imb_factor: Factor
    subset: Literal["first_n", "ldam", "random"]
    val_fraction: Fraction
    seed: Seed


@dataclass(frozen=True, config=STRICT)
class Images:
    """Images of one's own: where they are, and in which form they are stored."""

    train: Place
    test: Place | None
    root: Place | None
    classes: Place | None
    test_fraction: Part
    size: Pixels
    skip_corrupt: bool
    mean: Annotated[tuple[Unit, ...], Three] | None
    std: Annotated[tuple[Factor, ...], Three] | None
    pad: Annotated[int, Field(ge=0, le=1024)] | None
    flip: bool


@dataclass(frozen=True, config=STRICT)
class Listing:
    """What decides which file is of which class and part: what resolved/listing.json holds."""

    train: Place
    test: Place | None
    root: Place | None
    classes: Place | None
    test_fraction: Part
    seed: Seed


@dataclass(frozen=True, config=STRICT)
class Partition:
    """How the classes are cut into groups."""

    criterion: Literal["half", "mass", "shots", "ratio", "thresholds"]
    num_groups: Count
    thresholds: tuple[Count, ...]


@dataclass(frozen=True, config=STRICT)
class Train:
    """The network and its optimisation."""

    backbone: Backbone
    weights: Weights | None
    freeze: Literal["none", "backbone"]
    epochs: Count
    batch_size: Several
    optimizer: Literal["sgd", "adamw"]
    lr: Positive
    schedule: Literal["step", "cosine"]
    momentum: Fraction
    nesterov: bool
    weight_decay: NonNegative
    warmup: Annotated[int, Field(ge=0)]
    step_size: Count | None
    milestones: tuple[Count, ...]
    gamma: Factor
    clip_norm: Positive | None
    augment: Literal["crop", "resized_crop"]
    color_jitter: Unit
    rotation: Annotated[float, Field(ge=0, le=180)]
    auto_augment: Literal["none", "cifar10", "imagenet", "trivial"]
    cutout: Annotated[int, Field(ge=0, le=1024)]
    memory: NonNegative
    precision: Literal["auto", "fp32", "bf16"]
    deterministic: bool
    processes: Count
    spread: Literal["images", "experts"]
    sync_batchnorm: bool
    init: Literal["fan_out", "fan_in"]


@dataclass(frozen=True, config=STRICT)
class Evaluate:
    """How the outputs of several experts become one prediction."""

    combine: Rule


@dataclass(frozen=True, config=STRICT)
class Params:
    """The whole of params.yaml.

    Attributes:
        profiles: the values that stand for "profile", by the profile's name and the section's; in
            `data`, `train` and `methods` they are filled in.
        methods: each method's own params.
    """

    model: Method
    seed: Seed
    profile: str
    data: Data
    images: Images
    partition: Partition
    train: Train
    evaluate: Evaluate
    profiles: dict[str, dict[str, Any]]
    methods: dict[str, dict[str, Any]]


@dataclass(frozen=True, config=STRICT)
class Training:
    """One training: what resolved/train.json and resolved/finetune.json hold.

    Attributes:
        model: the method.
        method: its own params.
        code: SHA-256 of the method's file, so that an edit of it is another training.
        weights: SHA-256 of the file train.weights; None without one, and for a training that starts
            from another.
    """

    model: str
    method: dict[str, Any]
    seed: Seed
    train: Train
    code: str
    weights: str | None = None


def method_names() -> list[str]:
    """Return the names of the methods that exist: one file each in lt/methods."""
    return sorted(path.stem for path in METHODS_DIR.glob("[!_]*.py"))


def names(section: type) -> list[str]:
    """Return the keys of a section."""
    return [field.name for field in fields(section)]


def warnings(options: Params) -> list[str]:
    """Tell of values that are allowed and have no effect, a line each."""
    train, found = options.train, []
    late = [milestone for milestone in train.milestones if milestone >= train.epochs]
    if late and train.schedule == "step":
        given = ", ".join(map(str, late))
        found.append(
            f"train.milestones: the learning rate does not fall after {given}, since training "
            f"ends with train.epochs, {train.epochs}"
        )
    if train.optimizer == "adamw" and train.lr >= LARGE_FOR_ADAMW:
        found.append(f"train.lr: {train.lr:g} is a rate of sgd; for adamw, 1e-3 is common")
    if train.nesterov and train.optimizer != "sgd":
        found.append(f"train.nesterov: of sgd alone; train.optimizer is {train.optimizer}")
    measured = [key for key in ("mean", "std") if getattr(options.images, key) is None]
    if options.data.name == "images" and train.weights and measured:
        found.append(
            f"{' and '.join(f'images.{key}' for key in measured)}: measured on the photos; a "
            "network that was trained on others expects theirs (docs/own_images.md)"
        )
    if train.warmup >= train.epochs:
        found.append(
            f"train.warmup: {train.warmup} epochs of rising lr fill all of train.epochs, "
            f"{train.epochs}"
        )
    return found


def listing(params: Params) -> Listing:
    """Return what the stage `listing` is to do."""
    given = {**asdict(params.images), "seed": params.data.seed}
    return Listing(**{name: given[name] for name in names(Listing)})


def trainings(params: Params) -> list[Training]:
    """List the trainings that `params.model` needs: the one it starts from, if any, and its own.

    Raises:
        ValueError: if there is no file train.weights.
    """
    start = params.methods[params.model]["start"]
    names = [params.model] if start == FRESH else [start, params.model]
    begins = [_sha256(params.train.weights), None]  # the second one's weights are the first one's
    return [
        Training(name, params.methods[name], params.seed, params.train, method_code(name), weights)
        for name, weights in zip(names, begins, strict=False)
    ]


def _sha256(weights: str | None) -> str | None:
    """Return the hash of the file train.weights."""
    try:
        return weights and files.sha256(files.given(weights))
    except OSError as error:
        raise ValueError(
            f"train.weights: expected a file that can be read, got {weights} ({error.strerror})"
        ) from None


def method_code(name: str) -> str:
    """Return the SHA-256 of a method's file."""
    return files.sha256(METHODS_DIR / f"{name}.py")


def suited(imb_type: Any, name: Any) -> Any:
    """Return the imb_type that "auto" stands for with the dataset `name`; others as they are."""
    if imb_type != AUTO:
        return imb_type
    return "none" if name == "images" else "exp"
