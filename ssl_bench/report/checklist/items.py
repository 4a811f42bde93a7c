"""The items of two reporting guidelines, in this project's own words, with what a record can say to each.

CLAIM: Checklist for Artificial Intelligence in Medical Imaging, 2024 update (Tejani et al., Radiology: Artificial
Intelligence 6(4):e240300, 2024). TRIPOD+AI: Collins et al., BMJ 385:e078378, 2024. The numbers are theirs; who fills
a checklist for a journal copies the answers into its own form.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One item.

    Attributes:
        number: of the guideline.
        asks: what a reader must learn.
        facts: names of what records say to it (:mod:`ssl_bench.report.checklist.facts`).
        write: what no record knows and a person must write; empty where the facts are the whole answer.
    """

    number: str
    asks: str
    facts: tuple[str, ...] = ()
    write: str = ""


@dataclass(frozen=True)
class Guideline:
    """A guideline: its name, where it was published, and its items in their order."""

    name: str
    source: str
    items: tuple[Item, ...]


CLAIM = Guideline(
    "CLAIM 2024",
    "Tejani et al., Radiology: Artificial Intelligence 6(4):e240300, 2024",
    (
        Item("1", "title or abstract names the kind of AI that is studied", ("method",), "name it there"),
        Item("2", "structured abstract: design, methods, results, conclusions", (), "the abstract"),
        Item("3", "background, and the intended use and role of the model", (), "background, intended use, users"),
        Item("4", "aims, objectives, hypotheses", (), "the question that was settled before the runs"),
        Item("5", "prospective or retrospective", (), "which; public archives are retrospective"),
        Item("6", "goal of the study: feasibility, comparison, performance, ...", (), "the goal"),
        Item("7", "where the data come from", ("sources",), "hospitals, dates, address and licence of each release"),
        Item("8", "who and what was included and left out", ("partitions", "left_out"), "the release's own criteria"),
        Item("9", "preparation of images and variables", ("preparation", "ehr")),
        Item("10", "selection of a part of the data", ("subset",), "why a part, if one was taken"),
        Item("11", "removal of identifying information", (), "how the release was de-identified"),
        Item("12", "missing data", ("missing",), "why values are missing"),
        Item("13", "how the images were acquired", (), "devices, views, settings"),
        Item("14", "how the reference standard was made", ("labels",), "who or what read the images or reports"),
        Item("15", "why this reference standard", (), "the reason, and what its errors do to the numbers"),
        Item("16", "who annotated, with what training", (), "readers, or the program that mined the reports"),
        Item("17", "annotation of the test set", ("labels",), "whether the test set was read otherwise"),
        Item("18", "agreement within and between annotators", (), "agreement, where the release states it"),
        Item("19", "assignment of data to partitions", ("split",), "why the release's split, or another one"),
        Item("20", "level at which partitions are disjoint", ("disjoint",)),
        Item("21", "intended size of the sample", ("power",), "what size was wanted, and why"),
        Item("22", "the model in detail", ("method", "architecture", "options")),
        Item("23", "software with versions", ("software",)),
        Item("24", "initial values of the parameters", ("initial",)),
        Item("25", "the training in detail", ("training", "augmentation", "hardware")),
        Item("26", "how the final model was chosen", ("selection",)),
        Item("27", "ensembles", ("ensemble",)),
        Item("28", "measures of performance", ("metrics",), "why these, and which is primary"),
        Item("29", "measures of uncertainty and tests", ("uncertainty",)),
        Item("30", "robustness and sensitivity", ("seeds", "robustness"), "what was varied, and what it changed"),
        Item("31", "explanation of outputs", (), "methods used, if any, and how they were validated"),
        Item("32", "evaluation on internal data", ("internal",)),
        Item("33", "evaluation on external data", ("external",), "why none, if there is none"),
        Item("34", "registration of a clinical trial", (), "number, or that this is no trial"),
        Item("35", "patients and images included and left out", ("partitions", "left_out"), "a diagram of the flow"),
        Item("36", "characteristics of each partition", ("prevalence",), "age, sex, views by partition "
             "(sslbench data stats)"),
        Item("37", "performance with uncertainty", ("performance",)),
        Item("38", "diagnostic performance and its precision", ("operating",), "at which threshold it would be used"),
        Item("39", "analysis of failures", (), "images that were wrong, looked at by somebody who can read them"),
        Item("40", "limitations", ("notes",), "bias, generality, what was not measured"),
        Item("41", "implications for practice", (), "what follows, and what does not"),
        Item("42", "full protocol, further details", ("protocol",), "an address where the protocol lies"),
        Item("43", "availability of software, model, data", ("software", "weights"), "addresses, terms of the data"),
        Item("44", "funding, and the role of the funders", (), "funding and roles"),
    ),
)  # fmt: skip

TRIPOD_AI = Guideline(
    "TRIPOD+AI",
    "Collins et al., BMJ 385:e078378, 2024",
    (
        Item("1", "title: development or evaluation of a model, for whom, of what outcome", (), "the title"),
        Item("2", "abstract after TRIPOD+AI for abstracts", (), "the abstract"),
        Item("3a", "medical context, and why a model; existing models", (), "context and existing models"),
        Item("3b", "population, purpose and users of the model", (), "population, purpose, users"),
        Item("3c", "known inequalities of health between groups", (), "what is known of them for these findings"),
        Item("4", "objectives: development, evaluation or both", (), "objectives"),
        Item("5a", "sources of the data", ("sources",), "why these, and how far they represent the population"),
        Item("5b", "dates of the data", (), "first and last date, and of the follow-up"),
        Item("6a", "setting and places", (), "kind of care, number and place of centres"),
        Item("6b", "who was eligible", ("partitions",), "criteria of the release"),
        Item("6c", "treatments", (), "treatments and how they were dealt with, if it matters"),
        Item("7", "preparation and checks of the data, alike for all groups", ("preparation", "ehr", "left_out"),
             "whether anything differed between groups"),
        Item("8a", "the outcome, and how it is assessed", ("labels",),
             "definition and time of each finding, why it, whether assessed alike in all groups"),
        Item("8b", "who assessed an outcome that needs judgement", (),
             "readers with their qualification and demographic characteristics"),
        Item("8c", "blinding of the assessment", (), "whether readers knew predictors or other outcomes"),
        Item("9a", "choice of the first predictors", ("predictors",), "why these"),
        Item("9b", "each predictor, and how it is measured", ("predictors",), "how and when each was measured"),
        Item("9c", "predictors that need judgement", (),
             "who judged, if any does: qualification, demographic characteristics"),
        Item("10", "size of the sample", ("partitions", "power"), "how it came about, for development and evaluation"),
        Item("11", "missing values", ("missing",), "why values are missing"),
        Item("12a", "use of the data in development and evaluation", ("split", "disjoint")),
        Item("12b", "predictors in the analysis: form, scale", ("ehr", "preparation")),
        Item("12c", "kind of model, steps of building, tuning, internal validation",
             ("method", "architecture", "options", "training", "selection")),
        Item("12d", "differences between clusters, such as hospitals", ("external",), "how they were dealt with"),
        Item("12e", "measures and plots of performance, comparison of models", ("metrics", "uncertainty")),
        Item("12f", "updating of the model", ("updating",)),
        Item("12g", "how predictions are computed", ("predictions", "weights")),
        Item("13", "class imbalance", ("imbalance",), "why methods for it were used, if any, and recalibration"),
        Item("14", "methods for fairness", ("subgroups",), "methods used and why"),
        Item("15", "output of the model, thresholds", ("predictions", "operating"), "why these thresholds"),
        Item("16", "differences between development and evaluation data", ("external",),
             "setting, criteria, outcome, predictors"),
        Item("17", "approval by an ethics committee, consent", (), "committee and number, or why none is needed"),
        Item("18a", "funding", (), "source and role of the funders"),
        Item("18b", "conflicts of interest", (), "of all authors"),
        Item("18c", "protocol", ("protocol",), "where it lies, or that there is none"),
        Item("18d", "registration", (), "register and number, or that there is none"),
        Item("18e", "availability of the data", (), "address and terms"),
        Item("18f", "availability of the code", ("software",), "address of the code"),
        Item("19", "involvement of patients and the public", (), "how, or that there was none"),
        Item("20a", "flow of participants, with and without outcome", ("partitions", "prevalence"), "a diagram"),
        Item("20b", "characteristics, missing values, by setting and group", ("missing",),
             "a table (sslbench data stats)"),
        Item("20c", "evaluation data beside development data", ("prevalence",), "distribution of predictors in both"),
        Item("21", "participants and events in each analysis", ("partitions", "prevalence")),
        Item("22", "the full model, so that others can use it", ("weights",), "an address, restrictions of use"),
        Item("23a", "performance with intervals, of key groups too", ("performance", "subgroups")),
        Item("23b", "differences of performance between clusters", ("external",), "if they were looked at"),
        Item("24", "results of updating", ("updating",)),
        Item("25", "interpretation, fairness included", (), "what the numbers mean, beside earlier studies"),
        Item("26", "limitations", ("notes",), "representativeness, size, overfitting, missing values"),
        Item("27a", "use where input is of poor quality or missing", ("left_out",), "what a user must do"),
        Item("27b", "what users must do and know", (), "handling of input, expertise"),
        Item("27c", "next steps", (), "what research must follow"),
    ),
)  # fmt: skip

GUIDELINES = {"claim": CLAIM, "tripod-ai": TRIPOD_AI}
