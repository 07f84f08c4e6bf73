"""The grid of the paper: every table and figure of the 2022 report, and the study beside them."""

from __future__ import annotations

from pathlib import Path

from lt import process

process.end_quietly_until_main()

PARAMS = Path("paper/params.yaml")
FOLDER = Path("paper")  # of the grid; of the small one, SMALL
SMALL = Path("paper/small")
CELLS = "cells.json"  # in the folder
EXAMPLES = (0, 1, 99)  # test images that tables and figures show: those of the seed's section 5.5
