"""What a person sees while training runs: a bar in a terminal, sober lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from tqdm import tqdm

LINE_EVERY_S = 5.0


class Progress:
    """Counts epochs over all experts and phases; `report` takes a row of the history."""

    def __init__(self, epochs: int, name: str) -> None:
        self.epochs, self.name, self.done = epochs, name, 0
        self.start = self.printed = time.monotonic()
        self.bar = tqdm(total=epochs, desc=name, unit="epoch") if sys.stderr.isatty() else None

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
        elif now - self.printed >= LINE_EVERY_S or self.done in (1, self.epochs):
            left = (now - self.start) / self.done * (self.epochs - self.done)
            print(f"{self.name} {self.done}/{self.epochs} {figures}, {left:.0f} s left", flush=True)
            self.printed = now
