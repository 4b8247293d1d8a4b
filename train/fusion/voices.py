"""A voice print from the statistics of windows: linear discriminant analysis over the sessions of the training speakers."""

from __future__ import annotations

import numpy as np
import torch

from train.fusion.ensemble import VOICE_WIDTH, VoicePrint
from train.fusion.histories import Histories

COMPONENTS = 160  # principal ones, before the within-session scatter is whitened
FEWEST = 4  # clips of a session that takes part
REMEMBERED = 5  # clips that a voice has said before it is compared
MISSED_VOICE = 0.1  # more strangers pass than at equal errors: a wrong history cost little in streams of two, a missed one its gain
SHRINK = 0.1  # of the within-session scatter towards its mean


def voice_print(histories: list[Histories]) -> VoicePrint:
    """The discriminant directions, scaled so that a voice varies by 1 within a session in each."""
    rows, groups = sessions_of(histories)
    mean = rows.mean(0)
    _, _, directions = torch.pca_lowrank(torch.from_numpy(rows - mean), min(COMPONENTS, *rows.shape), center=False)
    principal = directions.numpy()
    short = (rows - mean) @ principal
    centres = np.stack([short[groups == group].mean(0) for group in np.unique(groups)])
    counts = np.array([(groups == group).sum() for group in np.unique(groups)])
    within = short - centres[np.searchsorted(np.unique(groups), groups)]
    scatter = within.T @ within / (len(within) - len(centres))
    scatter = (1 - SHRINK) * scatter + SHRINK * np.trace(scatter) / len(scatter) * np.eye(len(scatter))
    values, vectors = np.linalg.eigh(scatter)
    whiten = vectors / np.sqrt(values)
    between = (centres * np.sqrt(counts)[:, None]) @ whiten
    _, _, turned = np.linalg.svd(between - between.mean(0), full_matrices=False)
    kept = principal @ whiten @ turned[:VOICE_WIDTH].T
    found = VoicePrint()
    with torch.no_grad():
        weight = np.zeros((VOICE_WIDTH, rows.shape[1]), np.float32)
        weight[: kept.shape[1]] = kept.T
        found.project.weight.copy_(torch.from_numpy(weight))
        found.project.bias.copy_(torch.from_numpy(-(weight @ mean).astype(np.float32)))
    return found


def sessions_of(histories: list[Histories]) -> tuple[np.ndarray, np.ndarray]:
    """The statistics of all clips of sessions with at least FEWEST, float32 [n, D], and which session each is of, int64 [n]."""
    rows, groups = [], []
    for number, history in enumerate(histories):
        for session in np.unique(history.session):
            chosen = (history.session == session) & (history.seconds > 0)
            if chosen.sum() >= FEWEST:
                rows.append(history.statistics[chosen])
                groups.append(np.full(chosen.sum(), number * 1_000_000 + session))
    return np.concatenate(rows), np.concatenate(groups)


def distances(print_: VoicePrint, histories: list[Histories], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Distances of clips to what a voice said before, as the runtime measures them: of the same session, of another in the
    same collection."""
    rng = np.random.default_rng(seed)
    same, other = [], []
    for history in histories:
        with torch.inference_mode():
            voices = print_(torch.from_numpy(history.statistics)).numpy()
        sessions = {
            session: np.flatnonzero((history.session == session) & (history.seconds > 0)) for session in np.unique(history.session)
        }
        sessions = {session: rows for session, rows in sessions.items() if len(rows) > REMEMBERED}
        for session, rows in sessions.items():
            for _ in range(min(60, 2 * len(rows))):
                drawn = rng.choice(rows, REMEMBERED + 1, replace=False)
                memory = voices[drawn[1:]].mean(0)
                same.append(np.mean((voices[drawn[0]] - memory) ** 2))
                if len(sessions) > 1:
                    strangers = sessions[rng.choice([name for name in sessions if name != session])]
                    other.append(np.mean((voices[rng.choice(strangers)] - memory) ** 2))
    return np.array(same), np.array(other)


def voice_threshold(same: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """The distance beyond which MISSED_VOICE of a voice's own utterances lie, and the share of others' within it."""
    threshold = float(np.quantile(same, 1 - MISSED_VOICE))
    return threshold, float((other <= threshold).mean())
