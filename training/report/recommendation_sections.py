"""The sections of a recommender's report, each a list of Markdown lines; empty where there is nothing to tell."""

from collections.abc import Mapping

from training.metrics import diagnostics
from training.report import seeds
from training.report.markdown import pairs, section, show, table
from training.report.recommendation_figures import DEFINITIONS, RecommendationFigures
from training.report.recommendation_samples import samples
from training.report.recommendation_slices import ITEMS, USERS
from training.report.recommender_evaluation import RecommenderEvaluation

MAIN = ("recall", "ndcg", "map", "mrr", "hit")
BEYOND = ("coverage", "gini", "novelty", "diversity", "category_diversity")


def header(evaluation: RecommenderEvaluation) -> list[str]:
    """Return title, protocol and what the figures depend on."""
    users, items = evaluation.history.shape
    test = evaluation.test
    about = {
        "protocol": evaluation.protocol,
        "interactions": f"{evaluation.history.nnz:,} of {users:,} users and {items:,} items; "
        f"{test.nnz:,} of {len(evaluation.users):,} users held out",
        **evaluation.about,
    }
    return [f"# {evaluation.title}", "", *pairs(about), ""]


def main_table(evaluation: RecommenderEvaluation, figures: RecommendationFigures) -> list[str]:
    """Return the model against its baselines, with intervals, differences and targets."""
    names = [f"{kind}@{evaluation.main_cutoff}" for kind in MAIN]
    found = figures.candidates.values()
    values = table(("test users", *names), [[one.title, *(show(one.intervals[key]) for key in names)] for one in found])
    gaps = [
        [f"model - {one.title}", *(show(one.difference[key], signed=True) for key in names)]
        for one in found
        if one.difference
    ]
    own = figures.candidates[evaluation.model.name].figures
    told = f"95% intervals: {evaluation.samples} bootstrap resamples of the test users; differences are paired."
    return section(
        "Model against baselines",
        values,
        table(("difference", *names), gaps) if gaps else [],
        [told],
        verdicts(evaluation.targets, own, figures.misses),
        [f"- {one.title}: {note}" for one in found for note in one.notes],
    )


def verdicts(targets: Mapping[str, float], own: Mapping[str, float], misses: Mapping[str, float]) -> list[str]:
    """Return the table of targets, each passed or missed."""
    rows = [[name, own[name], f">= {floor:g}", "MISS" if name in misses else "pass"] for name, floor in targets.items()]
    return table(("target", "found", "floor", ""), rows) if rows else []


def all_figures(evaluation: RecommenderEvaluation, figures: RecommendationFigures) -> list[str]:
    """Return every figure of every candidate at every cut-off, and what each is."""
    found = list(figures.candidates.values())
    names = [f"{kind}@{cutoff}" for kind in DEFINITIONS for cutoff in evaluation.cutoffs]
    there = [name for name in names if name in found[0].figures]
    rows = [[name, *(one.figures[name] for one in found)] for name in there]
    used = {kind: told for kind, told in DEFINITIONS.items() if f"{kind}@{evaluation.main_cutoff}" in there}
    return section("All figures", table(("figure", *(one.title for one in found)), rows), pairs(used))


def slices(evaluation: RecommenderEvaluation, figures: RecommendationFigures) -> list[str]:
    """Return recall and NDCG of cold and warm users, and of cold and warm items."""
    found = list(figures.candidates.items())
    (model, _), *others = found
    tables = []
    for kind, what in ((USERS, "users"), (ITEMS, "items")):
        for figure in (f"recall@{evaluation.main_cutoff}", f"ndcg@{evaluation.main_cutoff}"):
            head = (f"{kind}: {figure}", what, "test users", *(one.title for _, one in found))
            rows = [
                [
                    *(one.counts, one.members, one.users, show(one.figures[model][figure])),
                    *(one.figures[name][figure].value for name, _ in others),
                ]
                for one in figures.slices
                if one.kind == kind
            ]
            tables.append(table(head, rows))
    told = "Of items, only held-out ones of the group count, for users who have one. First column: interactions."
    return section("Cold users, cold items", *tables, [told])


def beyond_accuracy(evaluation: RecommenderEvaluation, figures: RecommendationFigures) -> list[str]:
    """Return what the lists are like, and how far they match the users' histories."""
    found = list(figures.candidates.values())
    names = [f"{kind}@{evaluation.main_cutoff}" for kind in BEYOND]
    kept = [name for name in names if name in found[0].figures]
    matches = list(found[0].matches)
    rows = [[one.title, *(one.figures[key] for key in kept), *(one.matches[key] for key in matches)] for one in found]
    chance = ["whole catalogue", *(None for _ in kept), *(figures.matches_by_chance[key] for key in matches)]
    told = "A match has an author, or a category, of the user's history; of 2,000 users where there are more."
    return section("Beyond accuracy", table(("", *kept, *matches), [*rows, chance]), [told])


def embedding(figures: RecommendationFigures) -> list[str]:
    """Return what the model's item vectors are like."""
    found = figures.diagnostics
    if found is None:
        return []
    values = {"norm_popularity": found.norm_popularity, **vars(found.spread)}
    near = [[kind, one.found, one.chance, one.queries] for kind, one in found.neighbours.items()]
    return section(
        "Item vectors",
        [f"{found.items:,} vectors of {found.dimensions} dimensions."],
        table(("length", *found.norms), [["", *found.norms.values()]]),
        table(("figure", "value", "what it is"), [[k, v, diagnostics.DEFINITIONS[k]] for k, v in values.items()]),
        table((f"{diagnostics.NEIGHBOURS} nearest by cosine", "share", "by chance", "items"), near),
        ["interactions: of the nearest by the cosine of their sets of users; the others: share such a value."],
    )


def over_seeds(figures: RecommendationFigures) -> list[str]:
    """Return each variant's mean, standard deviation and interval over seeds, and the differences seed by seed."""
    told = "95% intervals of the mean by Student's t over seeds; differences are paired by seed."
    if not figures.variants:
        return []
    return section("Seeds", _seed_table(figures.variants, ""), _seed_table(figures.gaps, "+"), [told])


def sample_recommendations(evaluation: RecommenderEvaluation) -> list[str]:
    """Return a few users with what is recommended to them."""
    told = "Test users drawn at random, not chosen. Bold: held out, and found. A match has an author of the history."
    return section("Sample recommendations", [told], samples(evaluation))


def wall_times(wall_s: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the seconds of each candidate's steps, by title."""
    rows = [[title, step, f"{value:.1f}"] for title, steps in wall_s.items() for step, value in steps.items()]
    return section("Wall times", table(("", "step", "s"), rows) if rows else [])


def _seed_table(found: seeds.Table, sign: str) -> list[str]:
    rows = [
        [
            name,
            key,
            one.runs,
            f"{one.mean:{sign}.4f}",
            one.sd,
            None if one.low is None or one.high is None else f"[{one.low:{sign}.4f}, {one.high:{sign}.4f}]",
        ]
        for name, figures in found.items()
        for key, one in figures.items()
    ]
    head = ("difference" if sign else "variant", "figure", "seeds", "mean", "sd", "interval")
    return table(head, rows) if rows else []
