"""The forecast in sentences, for the terminal and the page. `found`: as the card of a blend has it."""

from collections.abc import Iterator, Mapping
from typing import Any

from ffdi.metrics.delong import logit, sigmoid

Found = Mapping[str, Any]
OTHER_SOURCE = (
    "The test images are of another source than the training images. The nested AUC is for images like those of train; "
    "on the leaderboard it may be far lower, so no interval is given."
)
UNKNOWN = "If the leaderboard has other kinds of forgery, the score may be far lower. How far was not measured."


def sentences(found: Found) -> list[str]:
    """Return what to expect, and what it rests on."""
    return [expected(found), *_corrections(found), *source(found), *_unseen(found)]


def expected(found: Found) -> str:
    """Return the AUC to expect on this leaderboard, with its interval."""
    if found["leads"] == "none":
        return OTHER_SOURCE
    return f"Expected AUC, if {_kinds(found, found['leads'])}: {_spans(found, found['leads'])}"


def _kinds(found: Found, kinds: str) -> str:
    if kinds == "seen":
        return "the leaderboard has the same kinds of forgery as the data"
    share = found["board"]["unseen"]
    return f"{share:.0%} of the fakes are of unseen kinds, as the competition says" if share else "all kinds are unseen"


def _spans(found: Found, kinds: str) -> str:
    private, public = (found[kinds][board] for board in ("private", "public"))
    return (
        f"{private['value']:.3f}. {found['level']:.0%} interval: {private['low']:.3f} to {private['high']:.3f} on the "
        f"private part, {public['low']:.3f} to {public['high']:.3f} on the public part."
    )


def _corrections(found: Found) -> Iterator[str]:
    """Say what was added to the nested AUC."""
    evidence = found["evidence"]
    value = logit(found["seen"]["private"]["value"])
    own = value - evidence["averaging"]["value"] - evidence["mix"]["value"]
    named = {"averaging": "the mean over fold models", "mix": "the mix of the test images"}
    told = [
        f"{sigmoid(own + evidence[name]['value']) - sigmoid(own):+.4f} for {words}"
        for name, words in named.items()
        if evidence[name]["value"]
    ]
    if told and found["leads"] != "none":
        yield f"The forecast is the nested AUC {sigmoid(own):.4f}, {' and '.join(told)}."


def source(found: Found) -> Iterator[str]:
    """Say how train and test can be told apart."""
    check = found["evidence"]["source"]
    if check is None:
        yield found["evidence"]["missing"]
        return
    told = ", ".join(f"{name} ({value:.2f})" for name, value in check["differences"])
    yield (
        f"Adversarial validation: train and test can be told apart with AUC {check['auc']:.2f} (0.5: not at all). "
        f"Weighted like the test, the OOF images are worth {check['effective']:.0%} of their number."
        + (f" Measurements that differ, with their AUC: {told}." if told else "")
    )


def _unseen(found: Found) -> Iterator[str]:
    measured = found["evidence"]["unseen"]
    if measured is None:
        yield UNKNOWN
        return
    if found["leads"] != "none":
        kinds = "seen" if found["leads"] == "unseen" else "unseen"
        yield f"If {_kinds(found, kinds)}: {_spans(found, kinds)}"
    yield (
        f"The cost of unseen kinds was measured by leaving out each of {len(measured['losses'])} clusters of fakes: a "
        f"linear probe falls from AUC {measured['seen']:.3f} to {measured['left_out']:.3f}."
    )
