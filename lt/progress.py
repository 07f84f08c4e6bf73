"""What a person sees while training runs: a bar in a terminal, sober lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from tqdm import tqdm

LINE_EVERY_S = 5.0


class Progress:
    """Counts epochs over all experts and phases; `report` takes a row of the history.

    `before`: how many of the epochs an earlier process has done.
    """

    def __init__(self, epochs: int, name: str, before: int = 0) -> None:
        self.epochs, self.name, self.before, self.done = epochs, name, before, before
        self.start = self.printed = time.monotonic()
        self.bar = None
        if sys.stderr.isatty():
            self.bar = tqdm(total=epochs, initial=before, desc=name, unit="epoch")

    def report(self, row: dict[str, Any]) -> None:
        """One epoch is over."""
        self.done += 1
        val = "–" if row["val_accuracy"] is None else f"{row['val_accuracy']:.2f} %"
        figures = (
            f"expert {row['expert']} phase {row['phase']} epoch {row['epoch']}: "
            f"loss {row['train_loss']:.4f}, val {val}, {row['images_per_s']:.0f} images/s"
        )
        now = time.monotonic()
        if self.bar is not None:
            self.bar.set_postfix_str(figures, refresh=False)
            self.bar.update()
            if self.done == self.epochs:
                self.bar.close()
        elif now - self.printed >= LINE_EVERY_S or self.done in (self.before + 1, self.epochs):
            left = (now - self.start) / (self.done - self.before) * (self.epochs - self.done)
            print(f"{self.name} {self.done}/{self.epochs} {figures}, {left:.0f} s left", flush=True)
            self.printed = now
