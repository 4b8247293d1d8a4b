"""A map of what the encoders make of sounds that nobody taught them: ESC-10 and deeply_nonverbal, coloured by class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.tagging.clips import SOUNDS, Task
from benchmarks.tagging.encoders import Embeddings

PRINCIPAL = 30


def flat_map(vectors: np.ndarray) -> np.ndarray:
    """float [n, width] -> float [n, 2]: standardised, PCA to at most 30 numbers, then t-SNE (van der Maaten & Hinton, 2008)."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler

    principal = PCA(min(PRINCIPAL, *vectors.shape), random_state=0).fit_transform(StandardScaler().fit_transform(vectors))
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    return np.asarray(TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(principal))


def neighbours_agree(vectors: np.ndarray, labels: np.ndarray, speakers: np.ndarray) -> float:
    """The share of clips whose nearest neighbour by another speaker (cosine, standardised) has the same label."""
    standard = (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-6)
    standard = standard / np.linalg.norm(standard, axis=1, keepdims=True)
    near = np.where(speakers[:, None] == speakers[None, :], -np.inf, standard @ standard.T)
    return float((labels[near.argmax(axis=1)] == labels).mean())


def draw(tasks: list[Task], found: dict[str, list[Embeddings]], path: Path) -> None:
    """Write the picture: a panel an encoder (its first member), a colour a class, the class's name at its median.

    Args:
        tasks: drawn together; ESC-10's clips as dots, the others' as crosses.
        found: by encoder, the embeddings of each task.
        path: where to, in a format that its suffix names.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    labels = np.concatenate([task.labels for task in tasks])
    speakers = np.concatenate([task.speakers for task in tasks])
    sound = np.concatenate([np.full(len(task.labels), task.name == SOUNDS) for task in tasks])
    figure, panels = pyplot.subplots(1, len(found), figsize=(8 * len(found), 8), squeeze=False)
    for panel, (name, parts) in zip(panels[0], found.items(), strict=True):
        vectors = np.concatenate([part.mean[0] for part in parts])
        points = flat_map(vectors)
        for among, marker, colours in ((sound, "o", pyplot.colormaps["tab10"]), (~sound, "x", pyplot.colormaps["tab20"])):
            for index, label in enumerate(np.unique(labels[among])):
                here = points[among & (labels == label)]
                colour = colours(index % colours.N)
                panel.scatter(here[:, 0], here[:, 1], s=14, marker=marker, color=colour, linewidths=1)
                weight = "bold" if marker == "o" else "normal"
                panel.annotate(str(label), np.median(here, axis=0), ha="center", fontsize=8, weight=weight)
        agreeing = neighbours_agree(vectors, labels, speakers)
        panel.set_title(f"{name}: of the same class as the nearest clip by another speaker {agreeing:.0%}")
        panel.set_xticks([])
        panel.set_yticks([])
    figure.suptitle("t-SNE of embeddings averaged over time: ESC-10 (dots, bold), deeply_nonverbal (crosses); never trained on")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
