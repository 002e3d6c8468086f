"""A pretrained language model of the user's, in the layout of a Hugging Face folder."""

from __future__ import annotations

from pathlib import Path

from rmobench.data.folder import Folder
from rmobench.data.source import Source

NAME = "language_model"


def language_model(folder: str = NAME) -> Path:
    """Return the place of a folder with config.json, model.safetensors and a tokenizer's tokenizer.json.

    Args:
        folder: Inside the folder that RMOBENCH_DATA names.

    Raises:
        MissingDependencyError: There is no such folder, or it lacks a file.
    """
    return _folder(folder).located()


def _folder(name: str) -> Folder:
    return Folder(
        name=NAME,
        folder=name,
        files=("config.json", "model.safetensors", "tokenizer.json"),
        licence="the user's",
        advice="Put the files of a model there, as `save_pretrained` of model and tokenizer write them.",
    )


SOURCE = Source(
    summary="a pretrained language model of your own choice, as transformers saves it",
    carrier=f"your folder {NAME}",
    licence="the user's",
    where=_folder(NAME).where,
    fetch=_folder(NAME).located,
    load=language_model,
)
