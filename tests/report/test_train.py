from dataclasses import replace

import numpy as np
import pandas as pd

from ffdi.metrics.delong import delong
from ffdi.metrics.ranks import rank_within
from ffdi.report import train as report
from ffdi.report.page import render
from ffdi.report.train import Trained
from tests.fixtures.html_reader import check

MAX_BYTES = 3_000_000


def test_the_page_of_the_sample_leads_with_the_best_member_by_ranks_inside_folds(members: list[Trained]) -> None:
    page = report.of_members(members, {"command": "ffdi train"})
    html = render(page)
    check(html, page.headline)
    assert len(html) < MAX_BYTES
    assert [section.title for section in page.sections] == ["Members", "Learning curves"]
    oof = members[1].oof
    found = delong(oof["target"], rank_within(oof["logit"], oof["fold"]))
    assert page.headline.startswith(f"lite1-128 is the best of 2 members with an OOF AUC of {found.value:.4f}")
    assert f"(95% interval {found.low:.4f} to {found.high:.4f}) on {len(oof)} images in 5 folds." in page.headline


def test_the_title_counts_every_member_and_refits_are_named(members: list[Trained]) -> None:
    page = report.of_members(members[:1], {}, ["lite0_all", "lite0_all_3"])
    assert page.title == "Training of 3 members"
    assert page.headline.endswith("in 5 folds. Without a score, because trained on all images: lite0_all, lite0_all_3.")


def test_near_duplicates_count_as_one(members: list[Trained]) -> None:
    """Three copies of every row tell no more than the rows once."""
    oof = members[0].oof
    copies = pd.concat([oof.assign(group=np.arange(len(oof)))] * 3, ignore_index=True)
    headlines = [report.of_members([replace(members[0], oof=rows)], {}).headline for rows in (oof, copies)]
    assert [headline.partition(" on ")[0] for headline in headlines] == [headlines[0].partition(" on ")[0]] * 2


def test_a_fold_without_one_class_and_a_bare_log_are_survived(members: list[Trained]) -> None:
    member = members[0]
    oof = member.oof[(member.oof["fold"] != 2) | (member.oof["target"] == 1)].reset_index(drop=True)
    bare = pd.DataFrame({"split": "train", "epoch": [0.5, 1.0], "loss": [0.7, 0.6]})
    made = report.of_members([Trained(member.name, dict.fromkeys(range(5), bare), oof)], {})
    page = check(render(made), made.headline)
    assert f"{member.name}: OOF AUC" not in {text for _, text in page.words}
