"""`ffdi blend`: blend the members, show what the blend is worth, write it and its submission."""

from ffdi.blending import saved
from ffdi.blending.result import blend
from ffdi.cli.project import Project
from ffdi.core import console
from ffdi.report.page import page_of, show
from ffdi.submission.folder import publish


def run(project: Project) -> None:
    """Blend, write `blend.parquet` and `card.json`, then the submission, and show the page."""
    result = blend(project.recipe, project.competition, project.places, project.images)
    for warning in result.warnings:
        console.warn(warning)
    console.say(f"blend: {saved.save(result, project.places)}")
    made, name = saved.inputs(result.card), project.recipe.name
    folder = project.places.submissions
    done = publish(result.submission, result.card, made, project.competition, folder, name, result.reference)
    console.say(result.choice.why)
    console.say(f"submission: {done.csv}" + (" (there already: same inputs, same bytes)" if done.reused else ""))
    show(project.places.report("blend"), page_of("blend", done.card, result.blended.oof, str(done.csv), project.images))
