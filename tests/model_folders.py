"""Folders with tiny models in the Hugging Face format, loaded as a spec would have them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import tiny_models
from layergrid import models
from layergrid.project import Project


@dataclass(frozen=True)
class Spec:
    address: str
    revision: str | None = None
    dtype: str = "float32"
    device: str = "auto"
    device_map: object = None
    quantize: str | None = None


def load(folder, trust=models.NO_TRUST, **options):
    return models.load(Spec(folder.name, **options), Project.of(folder.parent), name="tiny", trust=trust)


def save(folder, model):
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.save_pretrained(folder)
    tiny_models.tokenizer().save_pretrained(folder)
    return folder


def config_of(folder, **changes):
    """Changes entries of a model's config.json."""
    config = {**json.loads((folder / "config.json").read_text()), **changes}
    (folder / "config.json").write_text(json.dumps(config))


def child(code, **environment):
    """Runs Python in a process of its own, in which no network can be reached."""
    clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("HF_")}
    away = {"HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "*", "HF_HUB_DISABLE_TELEMETRY": "1"}
    env = {**clean, **away, **environment}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stderr
    return run.stdout
