"""The grid of the paper: every table and figure of the 2022 report, and the study beside them."""

from pathlib import Path

PARAMS = Path("paper/params.yaml")
CELLS = Path("paper/cells.json")
EXAMPLES = (0, 1, 99)  # test images that tables and figures show: those of the seed's section 5.5
FAILED = "failed.json"  # in the folder of a training that diverged: why
