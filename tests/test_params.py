from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from lt import params, params_file
from tests.conftest import ROOT

TEXT = (ROOT / "params.yaml").read_text()


def load(tmp_path: Path, text: str, *overrides: str) -> params.Params:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return params_file.load(overrides, path)


def test_the_fixed_hyperparameters(options: params.Params) -> None:
    train = options.train
    assert (train.lr, train.momentum, train.weight_decay) == (0.1, 0.9, 2e-4)
    assert (train.batch_size, train.step_size, train.clip_norm) == (128, 150, 5.0)


VALUES = (
    "010 -3 +4 0o17 0x1F 1 0.1 .5 .5e3 .5e+3 1. 1e5 2e-4 1e-05 .inf .nan true False yes on null"
)
VALUES += " 1:30 ~ a"


@pytest.mark.parametrize("text", VALUES.split())
def test_values_are_read_as_dvc_reads_and_records_them(text: str) -> None:
    pytest.importorskip("dvc")
    from dvc.utils.serialize import parse_yaml

    ours = yaml.load(f"value: {text}", params_file._Loader)
    assert repr(ours) == repr(dict(parse_yaml(f"value: {text}", "params.yaml")))


@pytest.mark.parametrize("text", ["2e-4", "1e-05", "2.0e-4", "1"])
def test_numbers_that_yaml_1_1_takes_for_text(tmp_path: Path, text: str) -> None:
    lr = load(tmp_path, TEXT, f"train.lr={text}").train.lr
    assert lr == float(text)
    assert isinstance(lr, float)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("default", ("resnet32", 100, "first_n", 0.1, 5.0, 0, 150, ())),
        ("seed", ("resnet18", 100, "first_n", 0.1, None, 0, 150, ())),
        ("ldam", ("resnet32", 200, "ldam", 0.0, None, 5, None, (160, 180))),
    ],
)
def test_the_profiles(tmp_path: Path, name: str, values: tuple[object, ...]) -> None:
    loaded = load(tmp_path, TEXT, f"profile={name}")
    train, data = loaded.train, loaded.data
    shape = train.backbone, train.epochs, data.subset, data.val_fraction, train.clip_norm
    assert (*shape, train.warmup, train.step_size, train.milestones) == values
    assert loaded.methods["ldam_drw"]["drw_epoch"] == (160 if name == "ldam" else 80)


def test_a_value_wins_over_the_profile(tmp_path: Path) -> None:
    loaded = load(tmp_path, TEXT, "profile=ldam", "train.epochs=15", "train.clip_norm=5.0")
    assert (loaded.train.epochs, loaded.train.clip_norm, loaded.train.warmup) == (15, 5.0, 5)


def test_null_switches_clipping_off(tmp_path: Path) -> None:
    assert load(tmp_path, TEXT, "train.clip_norm=null").train.clip_norm is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.lr=fast", "train.lr: expected a number above 0, got 'fast'"),
        ("train.lr=true", "train.lr: expected a number above 0, got True"),
        ("train.lr=.inf", "train.lr: expected a number above 0, got inf"),
        ("train.lr=.nan", "train.lr: expected a number above 0, got nan"),
        ("train.lrr=1", "train.lrr: unknown key; allowed: backbone, weights"),
        ("train.batch_size=0", "train.batch_size: expected an integer at least 2, got 0"),
        ("train.epochs=1.5", "train.epochs: expected an integer at least 1, got 1.5"),
        ("train.clip_norm=0", "train.clip_norm: expected a number above 0 or null, got 0"),
        ("data.imb_factor=0", "data.imb_factor: expected a number in (0, 1], got 0"),
        ("data.imb_factor=2", "data.imb_factor: expected a number in (0, 1], got 2"),
        ("data.imb_factor=-1", "data.imb_factor: expected a number in (0, 1], got -1"),
        ("data.val_fraction=1", "data.val_fraction: expected a number in [0, 1), got 1"),
        (
            "data.name=mnist",
            "data.name: expected one of digits, cifar10, cifar100, images, got 'mnist'",
        ),
        ("images.train=2024", "images.train: expected a path, got 2024"),
        ("images.train=''", "images.train: expected a path, got ''"),
        ("images.size=4", "images.size: expected an integer in [8, 1024], got 4"),
        ("images.test_fraction=1", "images.test_fraction: expected a number in (0, 1), got 1"),
        (
            "images.mean=[0.5]",
            "images.mean: expected a list of 3, each a number in [0, 1] or null, got [0.5]",
        ),
        ("data=5", "data: expected a section of key: value lines, got 5"),
        ("partition.thresholds=[100,x]", "partition.thresholds: expected a list, each an integer"),
        ("evaluate.combine=best", "evaluate.combine: expected one of concat, sum"),
        ("model=lsw", "model: no method 'lsw'; those that exist: balanced_softmax, balpoe"),
        (
            "profile=sed",
            "profile: no profile 'sed'; those of `profiles` that exist: default, seed, ldam",
        ),
        ("profile=[a]", "profile: no profile ['a']"),
        (
            "methods.baseline.start=[a]",
            "methods.baseline.start: expected fresh or a method, got ['a']",
        ),
        ("train.cutout=8", "train.cutout: expected less than 8, the side of an image, got 8"),
        ("train.rotation=181", "train.rotation: expected a number in [0, 180], got 181"),
        (
            "train.auto_augment=cifar",
            "train.auto_augment: expected one of none, cifar10, imagenet, trivial, got 'cifar'",
        ),
        ("partition.num_groups=11", "partition.num_groups: expected at most 10, the number of"),
        (
            "partition={criterion: thresholds, num_groups: 2, thresholds: []}",
            "thresholds: expected falling",
        ),
        (
            "partition={criterion: thresholds, num_groups: 2, thresholds: [2, 2]}",
            "counts, got [2, 2]",
        ),
        ("partition.num_groups=profile", "partition.num_groups: expected an integer at least 1"),
        ("methods.baseline.start=profile", "methods.baseline.start: expected fresh or a method"),
        (
            "profiles.default.train={}",
            "profiles.default.train.backbone: missing; train.backbone says",
        ),
        (
            "profiles.default.train.epochs=x",
            "train.epochs: expected an integer at least 1, got 'x'",
        ),
        (
            "methods.baseline={start: crt}",
            "methods.baseline.start: a method starts from one that itself starts fresh; "
            "got baseline -> crt -> baseline",
        ),
        ("methods.baseline.start=cart", "methods.baseline.start: expected fresh or a method, got"),
        ("methods.lsw={}", "methods.lsw: no such method; those that exist: balanced_softmax"),
        ("seed=-1", "seed: expected an integer in [0, 4294967295], got -1"),
        ("train.lr", "override 'train.lr': expected key=value"),
        ("model.x=1", "override 'model.x=1': model is not a section"),
    ],
)
def test_bad_values(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message.split(":")[0])) as error:
        load(tmp_path, TEXT, override)
    assert message in str(error.value)


def test_what_goes_with_another_value_alone(tmp_path: Path) -> None:
    nesterov = ("train.nesterov=true", "train.momentum=0")
    with pytest.raises(ValueError, match=r"nesterov: expected false with train\.momentum 0, got"):
        load(tmp_path, TEXT, *nesterov)
    assert load(tmp_path, TEXT, "data.name=cifar10", "train.cutout=31").train.cutout == 31
    photos = ("data.name=images", "images.size=224")
    assert load(tmp_path, TEXT, *photos, "train.cutout=112").train.cutout == 112
    with pytest.raises(ValueError, match="less than 224, the side of an image, got 224"):
        load(tmp_path, TEXT, *photos, "train.cutout=224")


@pytest.mark.parametrize("given", ["", "3", "[crt]"])
def test_a_model_that_is_no_name_is_one_problem(tmp_path: Path, given: str) -> None:
    with pytest.raises(ValueError, match=r"model: expected the name of a method .*, got") as error:
        load(tmp_path, TEXT, f"model={given}")
    assert len(str(error.value).splitlines()) == 1


def test_weights_expect_the_mean_that_they_were_trained_with(tmp_path: Path) -> None:
    def told(*overrides: str) -> list[str]:
        return params.warnings(load(tmp_path, TEXT, "data.name=images", *overrides))

    weights, mean, std = "train.weights=a.pth", "images.mean=[0.5,0.5,0.5]", "images.std=[1,1,1]"
    assert told() == told(weights, mean, std) == []
    (line,) = told(weights)
    assert line.startswith("images.mean and images.std: measured on the photos; a network that")
    (line,) = told(weights, mean)
    assert line.startswith("images.std: measured on the photos")


def test_the_rate_of_sgd_is_large_for_adamw(tmp_path: Path) -> None:
    def told(*overrides: str) -> list[str]:
        return params.warnings(load(tmp_path, TEXT, *overrides))

    assert told("train.optimizer=adamw", "train.lr=1e-2") == told("train.lr=0.1") == []
    (line,) = told("train.optimizer=adamw", "train.lr=0.1")
    assert line == "train.lr: 0.1 is a rate of sgd; for adamw, 1e-3 is common"


def test_nesterov_is_of_sgd(tmp_path: Path) -> None:
    given = load(tmp_path, TEXT, "train.nesterov=true", "train.optimizer=adamw")
    assert "train.nesterov: of sgd alone; train.optimizer is adamw" in params.warnings(given)
    assert not params.warnings(load(tmp_path, TEXT, "train.nesterov=true"))


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    raw = yaml.safe_load(TEXT)
    del raw["train"]["lr"], raw["seed"]
    raw["data"]["imb_type"] = "linear"
    with pytest.raises(ValueError, match="missing") as error:
        load(tmp_path, yaml.dump(raw))
    message = str(error.value)
    assert "train.lr: missing; expected a number above 0" in message
    assert "seed: missing" in message
    assert "data.imb_type: expected one of exp, step, none, got 'linear'" in message
    assert len(message.splitlines()) == 3


def test_of_a_profile_that_does_not_exist_nothing_is_missed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no profile 'sed'") as error:
        load(tmp_path, TEXT, "profile=sed", "train.lr=-1")
    first, second = str(error.value).splitlines()
    assert "no profile 'sed'" in first
    assert second.endswith("train.lr: expected a number above 0, got -1")


def test_a_method_in_use_needs_its_params(tmp_path: Path) -> None:
    raw = yaml.safe_load(TEXT)
    del raw["methods"]["ros"]
    with pytest.raises(ValueError, match=r"methods\.ros: missing"):
        load(tmp_path, yaml.dump(raw), "model=ros")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], "exp"),
        (["data.name=cifar10"], "exp"),
        (["data.name=images"], "none"),
        (["data.name=images", "data.imb_type=step"], "step"),
    ],
)
def test_the_imbalance_that_suits_the_dataset(
    tmp_path: Path, overrides: list[str], expected: str
) -> None:
    assert load(tmp_path, TEXT, *overrides).data.imb_type == expected


def test_what_is_listed(tmp_path: Path) -> None:
    loaded = load(tmp_path, TEXT, "images.train=/a b", "data.seed=3", "images.classes=c.txt")
    assert params.listing(loaded) == params.Listing("/a b", None, None, "c.txt", 0.2, 3)


@pytest.mark.parametrize("text", ["model: [", "a: b: c", "just text", "\tmodel: x"])
def test_not_yaml(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"params\.yaml: (not valid YAML|expected key)"):
        load(tmp_path, text)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file in"):
        params_file.load(path=tmp_path / "params.yaml")


def test_dvc_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    """DVC's -S writes the file anew; what it changes besides would be in every commit."""
    pytest.importorskip("dvc")
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    apply_overrides(path, ["model=baseline"])
    assert path.read_text() == TEXT


def test_what_comes_with_the_end_of_training_has_no_effect(tmp_path: Path) -> None:
    """The rate falls after a milestone, and there is no epoch after the last."""
    steps = ("train.epochs=4", "train.milestones=[3, 4, 9]")
    late = (
        "train.milestones: the learning rate does not fall after 4, 9, since training ends with "
        "train.epochs, 4"
    )
    assert params.warnings(load(tmp_path, TEXT, *steps)) == [late]
    assert not params.warnings(load(tmp_path, TEXT, *steps, "train.schedule=cosine"))
    full = "train.warmup: 4 epochs of rising lr fill all of train.epochs, 4"
    for warmup, told in ((4, [full]), (3, [])):
        given = load(tmp_path, TEXT, "train.epochs=4", f"train.warmup={warmup}")
        assert params.warnings(given) == told


def test_batch_norm_needs_two_images_in_each_process(tmp_path: Path) -> None:
    few = "train.batch_size=8"
    assert load(tmp_path, TEXT, few, "train.processes=4").train.processes == 4
    assert load(tmp_path, TEXT, few, "train.processes=5", "train.spread=experts")
    with pytest.raises(ValueError, match=r"train\.processes: expected at most 4, half of .*got 5"):
        load(tmp_path, TEXT, few, "train.processes=5")


@pytest.mark.parametrize(
    "text", [f"{TEXT}\nseed: 1\n", TEXT.replace("\ntrain:\n", "\ntrain:\n  lr: 1\n", 1)]
)
def test_a_key_that_comes_twice_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"the key '(seed|lr)' comes twice in a section"):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.lr=1e-31", r"train\.lr: expected 0 or a magnitude in \[1e-30, 1e\+30\], got 1e-31"),
        ("train.weight_decay=1e31", r"train\.weight_decay: expected 0 or a magnitude in"),
        ("train.epochs=4294967296", r"train\.epochs: expected an integer up to 4294967295, got"),
        ("profiles.seed.train.lrr=1", r"profiles\.seed\.train\.lrr: unknown key; allowed: backb"),
        ("profiles.seed.trains={}", r"profiles\.seed\.trains: unknown key; allowed: data, train"),
    ],
)
def test_what_would_be_lost_is_refused(tmp_path: Path, override: str, message: str) -> None:
    """A number that single precision has no room for; a value of a profile for nothing."""
    with pytest.raises(ValueError, match=message):
        load(tmp_path, TEXT, override)
