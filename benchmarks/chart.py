"""Draw the README's picture, `python -m benchmarks.chart`: the notebook's last comparison."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.reference import NOTEBOOK, ROOT, load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE = ROOT / "docs/images/compression.png"
EXPERIMENTS = ("experiment-every-technique", "experiment-final-picture")


def main() -> None:
    """Run the two experiments with the reference solution, print their table, save the picture."""
    names = load()

    def save_picture(figure: Figure, caption: str) -> None:
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(PICTURE, dpi=100)
        print(f"\n{caption}\n\n{PICTURE.relative_to(ROOT)}")

    names["show_picture"] = save_picture
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") in EXPERIMENTS:
            code = compile("".join(cell["source"]), str(NOTEBOOK), "exec")
            exec(code, names)  # noqa: S102 - our own notebook


if __name__ == "__main__":
    main()
