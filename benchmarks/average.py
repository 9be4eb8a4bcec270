"""Average the weights of two trainings of one network, one of which went on from the other.

    python benchmarks/average.py pretrained/upscaler_x2 /tmp/longer --share 0.7 --out pretrained/upscaler_x2

What a long training gains on pictures like its own it may lose on others; between the two lie weights that
keep most of both (Wortsman et al. 2022, Robust fine-tuning of zero-shot models).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pretraining import save_half

from pipeline.archive.fixity import tree_sha256
from pipeline.models.registry import load_model


def main() -> None:
    """Parse the command line, average, save with the later one's card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("earlier", type=Path, metavar="EARLIER", help="a model's folder")
    parser.add_argument("later", type=Path, metavar="LATER", help="the one that went on from it")
    parser.add_argument("--share", type=float, required=True, help="of the later one, from 0 to 1")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    if not 0 <= arguments.share <= 1:
        parser.error(f"--share is {arguments.share}; it goes from 0 to 1")
    (first, card), (network, later) = (load_model(path) for path in (arguments.earlier, arguments.later))
    if any(card[key] != later[key] for key in ("architecture", "arguments")):
        parser.error(f"{arguments.earlier} and {arguments.later} are not of one architecture and size")
    averaged = {"with": tree_sha256(arguments.earlier)[:16], "share_of_the_later": arguments.share}
    averaged["figures"] = "those in this card are of the later one alone"
    old, new = (model.float().state_dict() for model in (first, network))
    for name, values in new.items():
        if values.is_floating_point():
            values.lerp_(old[name], 1 - arguments.share)
    sizes = later.pop("arguments")
    save_half(arguments.out, network, later.pop("architecture"), sizes, later | {"averaged": averaged})
    print(f"{arguments.out}: {arguments.share:.0%} of {arguments.later}, the rest of {arguments.earlier}")


if __name__ == "__main__":
    main()
