"""The peers: where their weights are found, what they know, and what of our corpora they may have been trained on."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.peers_accuracy.labels import FOUR, SEVEN

EMOTION2VEC, SENSEVOICE = "emotion2vec", "sensevoice"
AS_GIVEN, BANNED = "as it answers", "EMO_UNKNOWN banned"


@dataclass(frozen=True)
class Peer:
    """One model of funasr's.

    kind: EMOTION2VEC or SENSEVOICE, how it answers. models: by funasr's name of a hub, its name there. labels: ours that it
    knows. readings: how its answers can be read, each a row of its own.
    """

    name: str
    kind: str
    models: dict[str, str]
    labels: tuple[str, ...]
    readings: tuple[str, ...]


def _emotion2vec(name: str) -> Peer:
    return Peer(name, EMOTION2VEC, {"ms": f"iic/{name}", "hf": f"emotion2vec/{name}"}, SEVEN, (AS_GIVEN,))


PEERS = (
    _emotion2vec("emotion2vec_plus_base"),
    _emotion2vec("emotion2vec_plus_large"),
    Peer(
        "sensevoice_small",
        SENSEVOICE,
        {"ms": "iic/SenseVoiceSmall", "hf": "FunAudioLLM/SenseVoiceSmall"},
        FOUR,
        (AS_GIVEN, BANNED),
    ),
)

PSEUDO = "not among EmoBox's 32 corpora, but its 4,788 h (base) and 42,526 h (large) of pseudo-labelled speech are not listed"
UNLISTED = "its makers do not say what emotions were learned from"
CONTAMINATION = {
    EMOTION2VEC: {
        "ravdess": "likely: the seed model that labelled its data is tuned on EmoBox, which holds RAVDESS; which clips were "
        "held out is asked and not answered (emotion2vec issue 77)",
        "nemo": f"unknown: {PSEUDO}",
        "banglaser": f"unknown: {PSEUDO}",
        "indian_emospeech": f"unknown: {PSEUDO}",
    },
    SENSEVOICE: {
        "ravdess": f"unknown: {UNLISTED}",
        "nemo": f"unknown: {UNLISTED}; Polish is none of its five languages",
        "banglaser": f"unknown: {UNLISTED}; Bangla is none of its five languages",
        "indian_emospeech": f"unknown: {UNLISTED}; Hindi is none of its five languages, English is",
    },
}
OURS = "the default pack: no clip of these speakers, but others of the same corpora, which the peers may not have had: an advantage"


def contamination(kind: str, corpus: str) -> str:
    """Whether a peer may have been trained on a corpus's clips."""
    return CONTAMINATION[kind].get(corpus, "unknown: nobody has looked")
