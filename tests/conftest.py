"""What all tests share: small pictures, and a small project of its own to run stages in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

# Before anything imports torch, OpenBLAS or Prefect: one thread per process, no network.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.pop("PENTIMENTO_STATE", None)

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.restoration.methods.classical import Lanczos, LevelsAndDenoise
from pipeline.restoration.methods.detect import ClassicalDetector
from pipeline.restoration.methods.fill import Fillers, fillers
from pipeline.restoration.methods.interface import Filler
from pipeline.restoration.methods.kit import Kit, Link
from pipeline.restoration.methods.settings import Settings

# The same examples in every run, and none that fails because the machine is busy.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tests")

ROOT = Path(__file__).resolve().parents[1]
# Section train_restorer of params.yaml, for a network and an archive that are trained on in a second.
TRAIN_RESTORER = {
    "kinds": ["cracks", "losses"],
    "start": "navier_stokes",
    "start_from": None,
    "network": {"widths": [8, 8], "blocks": 1, "dilations": [1]},
    "examples": {
        "crop": 32,
        "per_picture": 2,
        "pictures": 4,
        "least_share": 0.001,
        "zoom": 1.0,
        "validation_pictures": 2,
    },
    "fft_weight": 0.0,
    "bf16": True,
    "epochs": 2,
    "batch_size": 4,
    "learning_rate": 0.002,
    "cosine": True,
    "ema_decay": 0.5,
    "clip_norm": 1.0,
    "patience": 0,
    "seed": 0,
    "adversarial": {
        "weight": 0.0,
        "from_epoch": 1,
        "width": 4,
        "levels": 2,
        "discriminator_rate": 0.001,
        "psnr_given_up": 100.0,
    },
}


def restore_settings(**changes: object) -> Settings:
    """Settings of a classical restoration in mode conserve, masks given."""
    plain = Settings(
        mode="conserve",
        steps=(),
        scale=2,
        detect="none",
        fill="auto",
        enhance="classical",
        upscale="classical",
        models={},
        engine="auto",
        tile=256,
        trained=PurePosixPath("models"),
        pretrained=PurePosixPath("pretrained"),
        fallback="telea",
        jpeg_output="jpeg",
        state_source_type=True,
        max_damage=0.5,
        max_megapixels=10,
        max_failure_ratio=0.5,
        shard_megapixels=1,
    )
    return plain.model_copy(update=changes)


def kit(
    thin: Filler | None = None,
    wide: Filler | None = None,
    by_kind: dict[str, Filler] | None = None,
    links: dict[str, tuple[object, object]] | None = None,
    **changes: object,
) -> Kit:
    """Classical methods, without the measurements that choose among them; `links`: others, by step."""
    settings, known = restore_settings(**changes), fillers()
    by_shape = {"thin": thin or known["telea"], "wide": wide or known["navier_stokes"]}
    methods = {
        "detect": (ClassicalDetector(), ClassicalDetector()),
        "fill": (Fillers(by_shape, by_kind or {}, known["tension"]), known[settings.value("fallback")]),
        "enhance": (LevelsAndDenoise(), LevelsAndDenoise()),
        "upscale": (Lanczos(settings.value("scale")), Lanczos(settings.value("scale"))),
    } | (links or {})
    return Kit(
        settings=settings,
        chain=tuple(Link(step, *methods[step.name]) for step in settings.chain),
        models={},
        code_sha256="c0de",
        software={"pentimento": "0"},
    )


def painting(seed: int, height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    """A picture with large shapes, edges and a canvas grain, 8-bit RGB of shape (height, width, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    picture = np.ones((height, width, 3)) * rng.uniform(60, 180, 3)
    for _ in range(6):
        cy, cx, r = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(4, max(5, height / 2))
        inside = (y - cy) ** 2 + (x - cx) ** 2 < r**2
        picture[inside] = rng.uniform(20, 235, 3) * 0.7 + picture[inside] * 0.3
    picture += np.sin(x * rng.uniform(0.2, 0.5))[..., None] * 6 + rng.normal(0, 3, picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


@pytest.fixture
def make_archive(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of paintings in sub-folders that name schools: make_archive(count, schools)."""

    def make(count: int, schools: tuple[str, ...] = ("Dutch", "French"), name: str = "archive") -> Path:
        folder = tmp_path / name
        for n in range(count):
            file = folder / schools[n % len(schools)] / f"work{n:04d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(painting(n)).save(file)
        return folder

    return make


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of its own (dvc.yaml, params.yaml, no git), as working directory."""
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, root / name)
    monkeypatch.chdir(root)
    return root
