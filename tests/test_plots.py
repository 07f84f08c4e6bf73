"""The page of `dvc plots show`: its frame, which speaks without a network, and its templates."""

from __future__ import annotations

import configparser
import json
import re

import yaml
from dvc_render.html import HTML
from dvc_render.vega import VegaRenderer

from tests.conftest import ROOT


def page() -> str:
    """The template that .dvc/config names, filled in by DVC with its scripts and one plot."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc/config")
    template = (ROOT / ".dvc" / config["plots"]["html_template"]).read_text(encoding="utf-8")
    filled = HTML(template, refresh_seconds=5).with_scripts(VegaRenderer.SCRIPTS)
    return filled.with_element("<div>a plot</div>").embed()


def test_the_page_says_what_it_needs_before_it_waits_for_it() -> None:
    note, scripts = page().split("<body>")[1].split("</div>", 1)
    said = " ".join(re.sub("<[^>]*>", "", note).split())
    wanted = re.findall(r'<script src="https://([\w.]+)/npm/([\w-]+)@', scripts)
    assert len(wanted) == 3
    assert said.startswith("The plots of this page need a network. Three scripts that draw them")
    for host, script in wanted:
        assert host in said
        assert script in said
    assert "metrics/accuracy.png" in said
    assert "python -m stages.report" in said
    assert scripts.index("<script src") < scripts.index("remove()") < scripts.index("a plot")


def test_nothing_of_the_page_is_left_to_fill_in() -> None:
    assert '<meta http-equiv="refresh" content="5">' in page()
    assert not re.findall(r"\{\w+\}", page())


def test_the_templates_of_the_plots() -> None:
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    drawn = [entry for entry in pipeline["plots"] if isinstance(entry, dict)]  # others are images
    names = {plot["template"] for entry in drawn for plot in entry.values()}
    assert names == {path.stem for path in (ROOT / ".dvc/plots").glob("*.json")}


def test_every_class_is_on_both_axes_of_the_confusion() -> None:
    """In one order: what is seldom predicted, or never, would break the diagonal."""
    template = json.loads((ROOT / ".dvc/plots/confusion_counts.json").read_text())
    first, _ = template["spec"]["layer"]
    axes = [first["encoding"][axis] for axis in "xy"]
    assert {axis["field"] for axis in axes} == {"<DVC_METRIC_Y>"}
    assert all(axis["sort"] is None for axis in axes), "as in confusion.csv, by frequency"
