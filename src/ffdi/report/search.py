"""The page of a search: what was found, whether it holds on fresh seeds, and what the policy does to a face."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from optuna.distributions import BaseDistribution

from ffdi.config.recipe import Member
from ffdi.report import policy_sheet, search_plots
from ffdi.report.figures import embed
from ffdi.report.page import Block, Fact, Page, Section, Text
from ffdi.report.provenance import provenance
from ffdi.report.table import Table, counted, table, write
from ffdi.search import space
from ffdi.search.ground import Ground
from ffdi.search.importance import LEAST, importance
from ffdi.search.results import Result, finished, results
from ffdi.search.study import Wishes, watched
from ffdi.search.verdict import LEVEL, Verdict, correlation, curse, sentence
from ffdi.training.job import digest_of

SLICES = 12  # parameters that are plotted
LISTED = 12  # trials in the table
BELIEVED = 10  # finished trials for each parameter, below which importances are loose


@dataclass(frozen=True)
class Searched:
    """`best`: at full settings, the member whose policy is shown; `importance`: empty with too few trials; `verdict`:
    None until the re-runs are done."""

    name: str
    base: str
    recipe: str  # its path, as a person types it
    objective: str
    space: Mapping[str, BaseDistribution]
    found: Sequence[Result]
    importance: Mapping[str, float]
    best: Member
    verdict: Verdict | None


def of_study(
    recipe: Path, ground: Ground, wishes: Wishes, verdict: Verdict | None, rows: pd.DataFrame, images: Path
) -> Page:
    """Return the page of a study with at least one finished trial."""
    with watched(wishes) as study:
        found, shares = results(study), importance(study)
    row = verdict and (verdict.winner or verdict.best)
    best = row.candidate.member if row else space.applied(space.base_of(ground.recipe), finished(found)[0].params)
    searched = Searched(
        wishes.name, ground.search.member, str(recipe), ground.search.objective, wishes.space, found, shares, best,
        verdict,
    )  # fmt: skip
    return page(searched, rows, images, provenance("ffdi search", {"folds": digest_of(ground.folds)}))


def page(
    searched: Searched, rows: pd.DataFrame, folder: Path | None, provenance: Mapping[str, str] | None = None
) -> Page:
    """The page of a search with at least one finished trial. `rows`: id, relpath, target of images that the policy may
    be shown on; `folder`: where they start, None for no sheet."""
    size = searched.best.image_size
    sheets = policy_sheet.sheet(searched.best.augment, rows, folder, size) if folder else ()
    sections = (
        Section("Fresh seeds", _fresh(searched)),
        Section("The best policy", sheets),
        Section("The search", _history(searched)),
        Section("Parameters", _parameters(searched)),
        Section("Workers", _workers(searched)),
    )
    return Page(
        title=f"Search {searched.name}",
        headline=headline(searched),
        facts=_facts(searched),
        sections=tuple(section for section in sections if section.blocks),
        provenance=provenance or {},
    )


def headline(searched: Searched) -> str:
    """What was found, whether to trust it, what to type next."""
    verdict, command = searched.verdict, f"ffdi search --recipe {searched.recipe}"
    if verdict is None:
        top = finished(list(searched.found))[0]
        return (
            f"Trial {top.number} leads the search with {top.score:.4f}, the highest of many looks: do not trust it "
            f"yet. Next: {command}, which runs the best again on fresh seeds."
        )
    if verdict.winner is None:
        return f"{sentence(verdict)} Keep {searched.base}. Next: more trials or seeds, or another space."
    return f"{sentence(verdict)} Next: {command} --promote."


def _facts(searched: Searched) -> tuple[Fact, ...]:
    top = finished(list(searched.found))[0]
    counts = Counter(one.state for one in searched.found)
    others = ", ".join(f"{count} {state}" for state, count in counts.items() if state != "complete")
    facts = [
        Fact("finished trials", str(counts["complete"]), others),
        Fact("best in the search", f"{top.score:.4f}", f"trial {top.number}, {searched.objective}, with the proxy"),
    ]
    verdict = searched.verdict
    if verdict and verdict.best:
        best = verdict.winner or verdict.best
        facts.append(Fact("the best, fresh", f"{best.fresh:.4f}", best.candidate.name))
        facts.append(Fact("the default, fresh", f"{verdict.default.fresh:.4f}", searched.base))
    return tuple(facts)


def _fresh(searched: Searched) -> tuple[Block, ...]:
    verdict = searched.verdict
    if verdict is None:
        return (Text("The best trials were not run again yet; the scores below are those of the search.", True),)
    return (_reruns(verdict), *(Text(text) for text in (curse(verdict), correlation(verdict)) if text))


def _reruns(verdict: Verdict) -> Table:
    rows = []
    for row in verdict.rows:
        gain = row.gain
        rows.append({
            "candidate": row.candidate.name, "search": row.search, "fresh": row.fresh, "sd": row.sd, "auc": row.auc,
            "difference": gain and f"{gain.value:+.4f}", "se": gain and gain.se,
            "interval": gain and f"{gain.low:+.4f} to {gain.high:+.4f}",
            "verdict": "" if gain is None else "beats the default" if row.is_better else "within noise",
        })  # fmt: skip
    pairs = counted(verdict.seeds * verdict.folds, "pair")
    caption = (
        f"{verdict.design}, all rows, no proxy, the same for all. Differences to "
        f"the default are paired by seed and fold ({pairs}); standard errors allow for folds that share training "
        f"rows (Nadeau and Bengio, 2003); the intervals hold together at {LEVEL:.0%}. sd: between seeds."
    )
    formats = dict.fromkeys(("search", "fresh", "sd", "auc", "se"), ".4f")
    return table(pd.DataFrame(rows), "Run again", caption, formats, {"auc": "AUC", "se": "s.e."})


def _history(searched: Searched) -> tuple[Block, ...]:
    best = finished(list(searched.found))
    pruned = sum(one.state == "pruned" for one in searched.found)
    alt = f"Scores of {len(searched.found)} trials; the best is {best[0].score:.4f} of trial {best[0].number}"
    told = f"{pruned} pruned. What lies far below is drawn at the lower edge."
    rows = [
        {"trial": one.number, "score": one.score, "minutes": one.seconds / 60, **_values(one, list(searched.space))}
        for one in best[:LISTED]
    ]
    formats = {"score": ".4f", "minutes": ".1f"}
    listed = table(pd.DataFrame(rows), "Best trials", "Scores of the search: the first ones are lucky.", formats)
    return (embed(search_plots.history(searched.found), "History", told, alt), listed)


def _values(one: Result, names: list[str]) -> dict[str, str]:
    return {name: write(one.params.get(name), ".3g" if isinstance(one.params.get(name), float) else None)
            for name in names}  # fmt: skip


def _parameters(searched: Searched) -> tuple[Block, ...]:
    done = sum(one.state == "complete" for one in searched.found)
    names = sorted(searched.space, key=lambda name: -searched.importance.get(name, 0.0))[:SLICES]
    blocks: list[Block] = []
    if not searched.importance:
        blocks.append(Text(f"Importances need {LEAST} finished trials; there are {done}."))
    elif done < BELIEVED * len(searched.space):
        parts = f"{counted(done, 'finished trial')} for {counted(len(searched.space), 'parameter')}"
        told = f"Importances rest on {parts}; below {BELIEVED} a parameter their order is loose."
        blocks.append(Text(told, warning=True))
    if searched.importance:
        told = ", ".join(f"{name} {share:.0%}" for name, share in list(searched.importance.items())[:5])
        shares = {name: searched.importance[name] for name in names}
        caption = "fANOVA over finished trials, inside the ranges that were searched."
        blocks.append(embed(search_plots.importances(shares), "Importance", caption, told))
    space = {name: searched.space[name] for name in names}
    alt = f"One line for each of {done} finished trials through {', '.join(names)}"
    caption = "From the lowest to the highest of each range. Bright: high score; orange: the best."
    blocks.append(embed(search_plots.parallel(searched.found, space), "Parallel coordinates", caption, alt))
    for name in names:
        figure = search_plots.one_slice(searched.found, name, searched.space[name])
        blocks.append(embed(figure, name, "Dark: late; ring: the best."))
    return tuple(blocks)


def _workers(searched: Searched) -> tuple[Block, ...]:
    begun = [one for one in searched.found if one.began]
    if not begun:
        return ()
    states = Counter(one.state for one in begun)
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    hours = sum(one.seconds for one in begun) / 3600
    caption = (
        f"{hours:.2f} hours of work. White: idle; x: killed or stopped, and another worker went on with the trial."
    )
    return (embed(search_plots.timeline(begun), "Who ran what when", caption, f"Trials by worker: {told}"),)
