"""How each task is trained: a frozen set of hyperparameters a task and architecture."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Hyperparameters of one training run."""

    epochs: int
    batch: int  # sequences a step
    learning_rate: float  # peak of the one-cycle schedule
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of a step's gradient
    prefix_weight: float = 0.3  # share of the loss that comes from every frame's answer instead of the last one's
    noise: float = 0.0  # standard deviation of noise on numbers, in deviations of a feature
    window: int = 0  # frames a training crop holds; 0: whole sequences
    validation: float = 0.1  # share of the training split kept back for early stopping
    patience: int = 15  # epochs without a better validation loss before training stops


TASKS: dict[str, Recipe] = {
    "vowels": Recipe(epochs=60, batch=16, learning_rate=4e-3, noise=0.5, prefix_weight=0.1, patience=60),
    "digits": Recipe(epochs=25, batch=32, learning_rate=4e-3, noise=0.1),
    "languages": Recipe(epochs=14, batch=32, learning_rate=4e-3, window=160, patience=5),
}
FALLBACK = Recipe(epochs=30, batch=16, learning_rate=3e-3)
OVERRIDES: dict[tuple[str, str], dict[str, float]] = {}


def recipe(task: str, architecture: str, epochs: int | None = None) -> Recipe:
    """Return the recipe of a task, known or not; `epochs` replaces its number of epochs."""
    chosen = replace(TASKS.get(task, FALLBACK), **OVERRIDES.get((task, architecture), {}))  # type: ignore[arg-type]
    return chosen if epochs is None else replace(chosen, epochs=epochs)
