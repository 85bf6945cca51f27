"""The plan's decisions: the same whatever the workers do, played without Ray."""

import random
from pathlib import Path

import pytest
from playing import Player, Unwritten, accuracy_of, numbers, plain, play, played_entry, tiny

from dagan.errors import InvalidInput
from dagan.networks.flops import pflop
from sweeps.planning.budget import FlopBudget
from sweeps.planning.plan import Plan, RepeatedFailure, shortcomings, unjudged
from sweeps.planning.search import MethodSearch
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Ledger
from sweeps.study.parse import study_of
from sweeps.study.schema import REPEATED


@pytest.fixture
def study():
    return study_of(tiny(samples_per_class=[5, 10], search__budget={"trials": 12}, search__window=3))


def test_workers_and_order_change_nothing(study, tmp_path):
    runs = []
    for index, workers in enumerate((1, 2, 7, 40)):
        plan = play(study, tmp_path / str(index), workers=workers, rng=random.Random(index))
        assert len(plan.entries) == plan.planned == 2 * 2 * (12 + 3)
        runs.append(numbers(tmp_path / str(index)))
    assert all(run == runs[0] for run in runs)
    assert {row[5] for row in runs[0].values()} == {"completed", "stopped"}


def test_a_killed_run_goes_on_to_the_same_numbers(study, tmp_path):
    play(study, tmp_path / "straight", workers=3, rng=random.Random(0))
    rng = random.Random(1)
    ended = []
    for kill_after in (5, 1, 17, 3, None):
        before = set(numbers(tmp_path / "killed"))
        play(study, tmp_path / "killed", workers=3, rng=rng, kill_after=kill_after)
        ended.append(len(set(numbers(tmp_path / "killed")) - before))
    assert ended[:4] == [5, 1, 17, 3]
    assert sum(ended) == 60, "a trial that had ended ran again"
    assert numbers(tmp_path / "killed") == numbers(tmp_path / "straight")


def test_another_study_seed_searches_elsewhere(tmp_path):
    for seed in (0, 1):
        play(study_of(tiny(seed=seed)), tmp_path / str(seed), workers=2, rng=random.Random(0))
    assert numbers(tmp_path / "0").keys() != numbers(tmp_path / "1").keys()


def test_more_trials_and_seeds_extend_a_finished_study(tmp_path):
    play(study_of(tiny()), tmp_path, workers=2, rng=random.Random(0))
    before = numbers(tmp_path)
    more = study_of(tiny(confirm__seeds=5, methods=["c", "dagan_aug", "c_aug"]))
    plan = Plan(more, Ledger(tmp_path))
    assert plan.planned - len(plan.entries) == 2 * 2 + (5 + 5)
    play(more, tmp_path, workers=2, rng=random.Random(0))
    assert before.items() <= numbers(tmp_path).items()


def test_entries_that_the_study_no_longer_asks_for_stay_out(tmp_path):
    play(study_of(tiny()), tmp_path, workers=2, rng=random.Random(0))
    plan = play(study_of(tiny(confirm__seeds=2)), tmp_path, workers=2, rng=random.Random(0))
    assert len(plan.entries) == plan.planned == 2 * (5 + 2)
    assert len(numbers(tmp_path)) == 2 * (5 + 3)


def test_trials_of_another_version_of_the_study_are_said_to_be_there(tmp_path):
    play(study_of(tiny()), tmp_path, workers=2, rng=random.Random(0))
    with pytest.raises(InvalidInput, match=r"the 16 trials in .* are of another version of the study"):
        Plan(study_of(tiny(seed=9, base={"network": {"width": 0.5}})), Ledger(tmp_path)).require_results()


def test_suggestion_i_waits_for_i_minus_w(tmp_path):
    study = study_of(plain(search__window=2))
    search = MethodSearch(study, study.cells[0], "c", {}, Ledger(Path()))
    plan = Plan(study, Ledger(tmp_path))
    first = search.advance()
    assert [trial.number for trial in first] == [0, 1]
    search.record(first[1], played_entry(plan, first[1]))
    assert search.advance() == [], "suggestion 2 must not start before 0 has ended"
    search.record(first[0], played_entry(plan, first[0]))
    assert [trial.number for trial in search.advance()] == [2, 3]


def test_the_first_suggestion_is_the_base(tmp_path):
    study = study_of(plain(search__parameters={"classifier.learning_rate": {"min": 1e-4, "max": 1e-2}}))
    search = MethodSearch(study, study.cells[0], "c", {}, Ledger(Path()))
    assert search.advance()[0].config.classifier.learning_rate == 3e-4


def rung_search(values, *, eta=2, window=1, rule="hyperband"):
    """A search whose suggestions 0, 1, … had these accuracies at iteration 20."""
    study = study_of(
        plain(
            search__window=window,
            search__budget={"trials": 20},
            search__early_stopping={"type": rule, "min_iter": 20, "eta": eta},
        )
    )
    search = MethodSearch(study, study.cells[0], "c", {}, Ledger(Path()))
    trials = search.advance()
    for value in values:
        trial = trials.pop(0)
        entry = played_entry(_Never(study), trial)
        point = entry.curve[0] | {"validation_accuracy": value}
        search.record(trial, entry.model_copy(update={"curve": [point, *entry.curve[1:]]}))
        trials += search.advance()
    return search, trials[0]


class _Never:
    """A plan that stops nobody."""

    def __init__(self, study):
        self.study = study

    def stops(self, trial, iteration, accuracy):
        return False


def test_successive_halving_by_hand():
    search, trial = rung_search([0.5, 0.6, 0.7])
    assert trial.number == 3
    assert trial.rungs[0] == 20
    # Of four at the rung, the best two go on.
    assert not search.stops(trial, 20, 0.8)
    assert not search.stops(trial, 20, 0.65)
    assert not search.stops(trial, 20, 0.6), "a tie is no loss"
    assert search.stops(trial, 20, 0.55)
    assert not search.stops(trial, 30, 0.0), "30 is no rung"


def test_the_median_rule_by_hand():
    search, trial = rung_search([0.5, 0.6, 0.8], rule="median")
    assert search.stops(trial, 20, 0.59)
    assert not search.stops(trial, 20, 0.6), "the median itself is no loss"
    search, trial = rung_search([0.5, 0.6], eta=4, rule="median")
    assert not search.stops(trial, 20, 0.1), "three at the rung are too few"


def test_a_rung_needs_eta_trials_before_it_decides():
    search, trial = rung_search([0.9], eta=3)
    assert not search.stops(trial, 20, 0.1)
    search, trial = rung_search([0.9, 0.8], eta=3)
    assert search.stops(trial, 20, 0.1)


def test_a_rung_looks_at_predecessors_up_to_i_minus_w():
    search, trial = rung_search([0.9, 0.9, 0.9, 0.1, 0.1], window=3)
    assert trial.number == 5
    # Suggestions 0…2 count, 3 and 4 do not: were they looked at, 0.5 would be among the best half of six.
    assert search.stops(trial, 20, 0.5)


def test_a_stopped_entry_counts_only_while_the_rule_stops_it(study, tmp_path):
    play(study, tmp_path, workers=2, rng=random.Random(0))
    stopped = {signature for signature, row in numbers(tmp_path).items() if row[5] == "stopped"}
    assert stopped
    lenient = study_of(
        tiny(samples_per_class=[5, 10], search__budget={"trials": 12}, search__window=3, search__early_stopping=None)
    )
    play(lenient, tmp_path, workers=2, rng=random.Random(0))
    again = Plan(lenient, Ledger(tmp_path))
    assert {entry.status for entry in again.entries} == {"completed"}
    asked_again = stopped & {entry.signature for entry in again.entries}
    assert asked_again, "the first suggestions are the same with any rule"
    assert {numbers(tmp_path)[signature][5] for signature in asked_again} == {"completed"}


def test_the_best_has_all_seeds_completed_and_comes_first_of_equals(tmp_path):
    study = study_of(tiny(search__seeds=2, search__budget={"trials": 8}, search__early_stopping=None))
    plan = play(study, tmp_path, workers=2, rng=random.Random(0))
    for branch in plan.branches:
        scores = {
            item.number: max(sum(accuracy_of(trial, kc) for trial in item.trials) / 2 for kc in (40, 80))
            for item in branch.search.suggestions
        }
        assert branch.search.best.number == max(scores, key=lambda number: (scores[number], -number))


def ended(plan, trial, accuracy, status="completed"):
    """An entry that says how a trial ended, whatever its config."""
    entry = played_entry(_Never(plan.study), trial)
    row = dict.fromkeys(trial.readings, accuracy)
    return entry.model_copy(update={"validation_accuracy": accuracy, "status": status, "readings": row})


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [
        ([(0.7, 0.7), (0.8, 0.8), (0.8, 0.8)], 1),  # the first of equals
        ([(0.7, 0.7), (0.9, None), (0.8, 0.5)], 0),  # a seed of suggestion 1 was stopped
        ([(0.7, 0.7), (0.6, 0.9), (0.9, 0.4)], 1),  # the mean decides
    ],
)
def test_the_choice_by_hand(tmp_path, accuracies, best):
    study = study_of(plain(search__seeds=2, search__budget={"trials": 6}, search__window=3))
    plan = Plan(study, Ledger(tmp_path))
    search = plan.branches[0].search
    for suggestion, values in zip(search.suggestions, accuracies, strict=True):
        for trial, value in zip(suggestion.trials, values, strict=True):
            search.record(trial, ended(plan, trial, value or 0.99, "completed" if value else "stopped"))
    assert search.best.number == best


def covered(parameters, trials):
    """A plain study that searches these parameters with so many trials."""
    budget = {"trials": trials}
    return plain(base__classifier={}, search__parameters=parameters, search__budget=budget, search__early_stopping=None)


def test_two_suggestions_of_one_setting_are_one_training(tmp_path):
    sizes = {"classifier.batch_size": {"min": 30, "max": 33}, "network.dropout": {"values": [0.1, 0.2]}}
    study = study_of(covered(sizes, 7))
    plan = play(study, tmp_path, workers=3, rng=random.Random(0))
    assert plan.finished
    settings = [tuple(item.settings.values()) for item in plan.branches[0].search.suggestions]
    assert len(settings) == 7 > len(set(settings)), "8 settings are more than the budget covers: they are sampled"
    assert len(numbers(tmp_path)) == len(set(settings)) + 3
    assert sorted(entry.trial for entry in plan.entries if entry.phase == "search") == [*range(7)]


def test_a_space_that_the_budget_covers_is_tried_whole(tmp_path):
    sizes = {"classifier.batch_size": {"min": 31, "max": 33}, "network.dropout": {"values": [0.5, 0.2]}}
    plan = play(study_of(covered(sizes, 20)), tmp_path, workers=3, rng=random.Random(0))
    assert plan.finished
    settings = [tuple(item.settings.values()) for item in plan.branches[0].search.suggestions]
    assert settings[0][1] == 0.5, "the base, as far as the space has it"
    assert sorted(settings) == [(size, rate) for size in (31, 32, 33) for rate in (0.2, 0.5)]
    assert len(numbers(tmp_path)) == plan.planned == 6 + 3


def test_a_larger_budget_goes_on_from_a_sample_to_the_whole_space(tmp_path):
    sizes = {"classifier.batch_size": {"min": 31, "max": 33}, "network.dropout": {"values": [0.5, 0.2]}}
    for trials, expected in ((3, 2), (12, 6)):  # one of three was drawn twice
        plan = play(study_of(covered(sizes, trials)), tmp_path, workers=2, rng=random.Random(0))
        settings = {tuple(item.settings.values()) for item in plan.branches[0].search.suggestions}
        assert len(settings) == expected


def failed(plan, trial, message):
    entry = played_entry(plan, trial)
    return entry.model_copy(update={"status": "failed", "error": message, "validation_accuracy": None, "curve": []})


def test_the_same_failure_again_and_again_stops_the_study(tmp_path):
    plan = Plan(study_of(plain()), Ledger(tmp_path))
    for _ in range(2):
        trial = plan.next()
        plan.record(trial, failed(plan, trial, "ValueError: no"))
    trial = plan.next()
    with pytest.raises(RepeatedFailure, match=r"c .*failed 3 times with: ValueError: no"):
        plan.record(trial, failed(plan, trial, "ValueError: no"))


def test_a_failed_trial_is_tried_again_by_the_next_run(tmp_path):
    study = study_of(plain())
    plan = Plan(study, Ledger(tmp_path))
    trial = plan.next()
    plan.record(trial, failed(plan, trial, "once"))
    assert Plan(study, Ledger(tmp_path), retry=True).next().signature == trial.signature


def test_a_failure_is_seen_by_those_who_only_look(tmp_path):
    study = study_of(plain())
    plan = Plan(study, Ledger(tmp_path))
    while trial := plan.next():
        bad = (trial.phase, trial.number) in {("search", 1), ("confirm", 2)}
        plan.record(trial, failed(plan, trial, "lost") if bad else played_entry(plan, trial))
    assert plan.finished
    assert shortcomings(plan.branches) == ["digits, 5 per class, c: 1 confirm trials failed: lost"]
    again = Plan(study, Ledger(tmp_path))
    assert again.finished
    assert again.entries == plan.entries
    assert sorted(entry.status for entry in again.entries).count("failed") == 2


def test_a_method_whose_search_never_completes_confirms_nothing(tmp_path):
    study = study_of(plain())
    plan = Plan(study, Ledger(tmp_path))
    while trial := plan.next():
        entry = failed(plan, trial, f"nan at {trial.number}").model_copy(update={"status": "diverged"})
        plan.record(trial, entry)
    assert plan.finished
    assert plan.planned == 5
    assert "no search trial completed" in shortcomings(plan.branches)[0]


def test_twins_end_as_their_first_whoever_ran_when(tmp_path):
    """Few settings, so that suggestions repeat; early stopping, so that the first may end early."""
    for seed in range(12):
        parameters = {"classifier.iterations": {"values": [40, 80, 120]}}
        study = study_of(
            plain(seed=seed, search__budget={"trials": 10}, search__window=4, search__parameters=parameters)
        )
        runs = []
        for workers in (1, 3, 9):
            folder = tmp_path / f"{seed}-{workers}"
            plan = play(study, folder, workers=workers, rng=random.Random(workers))
            runs.append(sorted((e.phase, e.trial, e.signature, e.status) for e in plan.entries))
            assert Plan(study, Ledger(folder)).finished
        assert runs[0] == runs[1] == runs[2]


def spent(search):
    """What a method's suggestions cost together, told in the order of their numbers."""
    account = FlopBudget()
    return sum(account.charge(t, item.entries[t.seed]) for item in search.suggestions for t in item.trials)


def in_operations(trials, **changes):
    """The tiny study with as many operations per method as so many of its longest trials take."""
    changes = {"search__budget": {"trials": 2}} | changes
    study = study_of(tiny(**changes))
    settings = {"gan.iterations": 40, "classifier.iterations": 80}
    config = study.config(study.cells[0], "dagan_aug", seed=0, phase="search", settings=settings)
    longest = pflop(config, stage="generation", iterations=40) + pflop(config, stage="classification", iterations=80)
    return study_of(tiny(**changes | {"search__budget": {"pflop": trials * longest}})), longest


@pytest.mark.parametrize("stopping", [None, {"type": "hyperband", "min_iter": 20, "eta": 2}])
def test_a_budget_in_operations_is_used_and_never_exceeded(tmp_path, stopping):
    study, longest = in_operations(5, search__early_stopping=stopping, search__seeds=2)
    plan = play(study, tmp_path, workers=3, rng=random.Random(0))
    for branch in plan.branches:
        budget = study.search.budget.pflop
        assert budget - 2 * longest < spent(branch.search) <= budget
        assert branch.search.best is not None
    counts = {branch.method: len(branch.search.suggestions) for branch in plan.branches}
    assert counts["c"] > counts["dagan_aug"] >= 2, "who costs less may try more"


def test_a_budget_in_operations_repeats_whatever_the_workers_do(tmp_path):
    study, _ = in_operations(6, search__window=3)
    runs = []
    for index, workers in enumerate((1, 2, 7, 40)):
        play(study, tmp_path / str(index), workers=workers, rng=random.Random(index))
        runs.append(numbers(tmp_path / str(index)))
    assert all(run == runs[0] for run in runs)
    for kill_after in (5, 1, 7, None):
        play(study, tmp_path / "killed", workers=3, rng=random.Random(kill_after), kill_after=kill_after)
    assert numbers(tmp_path / "killed") == runs[0]


def test_more_operations_extend_a_finished_study(tmp_path):
    few, _ = in_operations(3)
    many, _ = in_operations(7)
    play(few, tmp_path, workers=2, rng=random.Random(0))
    before = {key for key, row in numbers(tmp_path).items() if row[0] == "search"}
    play(many, tmp_path, workers=2, rng=random.Random(1))
    after = {key for key, row in numbers(tmp_path).items() if row[0] == "search"}
    assert before < after


def test_a_budget_in_operations_ends_where_the_space_repeats_itself(tmp_path):
    study = study_of(
        plain(search__budget={"pflop": 1e6}, search__parameters={"classifier.optimiser": {"values": ["adam", "sgd"]}})
    )
    plan = play(study, tmp_path, workers=3, rng=random.Random(0))
    assert plan.finished
    assert len(plan.branches[0].search.suggestions) <= 2 + 2 * REPEATED
    assert len([row for row in numbers(tmp_path).values() if row[0] == "search"]) == 2


def test_shared_work_is_charged_once_and_only_as_far_as_it_went(tmp_path):
    study = study_of(plain(search__parameters={"classifier.iterations": {"values": [40, 80]}}))
    cell = study.cells[0]

    def trial(kc):
        config = study.config(cell, "c", seed=0, phase="search", settings={"classifier.iterations": kc})
        return Trial(cell, "c", "search", 0, config)

    def cost(kc):
        return pflop(trial(kc).config, stage="classification", iterations=kc)

    account = FlopBudget()
    assert account.charge(trial(40)) == cost(40)
    assert account.estimate([trial(80), trial(80)]) == pytest.approx(cost(80) - cost(40))
    ended = played_entry(_Never(study), trial(80)).model_copy(update={"iterations": 60, "status": "stopped"})
    assert account.charge(trial(80), ended) == pytest.approx(cost(60) - cost(40))
    assert account.charge(trial(80)) == pytest.approx(cost(80) - cost(60))
    assert account.charge(trial(40)) == account.charge(trial(80)) == 0.0


STAGE_1 = ("gan.feature_matching_weight", "gan.iterations")
REUSING = {"search__reuse": True, "search__budget": {"trials": 12}, "search__window": 3}


def test_with_reuse_every_second_suggestion_keeps_the_best_stage_1(tmp_path):
    plan = play(study_of(tiny(**REUSING)), tmp_path, workers=3, rng=random.Random(0))
    search = next(branch.search for branch in plan.branches if branch.method == "dagan_aug")
    for item in search.suggestions:
        known = [one for one in search.suggestions[: max(0, item.number - 2)] if one.score is not None]
        best = max(known, key=lambda one: (one.score, -one.number), default=None)
        kept = best and all(item.settings[key] == best.settings[key] for key in STAGE_1)
        assert not (item.number % 2 and best and not kept), f"suggestion {item.number} did not keep the best"
    weights = [item.settings["gan.feature_matching_weight"] for item in search.suggestions]
    assert len(set(weights)) > 4, "the others go on searching"


def test_reuse_repeats_whatever_the_workers_do(tmp_path):
    runs = []
    for index, workers in enumerate((1, 3, 9)):
        play(study_of(tiny(**REUSING)), tmp_path / str(index), workers=workers, rng=random.Random(index))
        runs.append(numbers(tmp_path / str(index)))
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.parametrize("workers", [1, 3, 9])
def test_what_is_reused_was_kept(workers):
    """Whoever keeps the best stage 1 finds it trained, though no trial needed it when it was."""
    study = study_of(tiny(**REUSING, search__early_stopping=None, confirm__seeds=1))
    player = Player(Plan(study, Unwritten()), random.Random(workers), workers=workers).play()
    assert set(player.trained.values()) == {1}
    assert not player.kept


def test_trials_that_ended_before_the_study_wanted_them_judged_are_counted(tmp_path):
    play(study_of(tiny()), tmp_path, workers=2, rng=random.Random(0))
    assert not unjudged(Plan(study_of(tiny()), Ledger(tmp_path)))
    later = Plan(study_of(tiny(confirm__quality=True)), Ledger(tmp_path))
    assert later.finished
    completed = [entry for entry in later.branches[1].of_phase("confirm") if entry.status == "completed"]
    assert unjudged(later) == completed
    later.record(later.branches[1].confirm[0], completed[0].model_copy(update={"quality": {"kid": 0.1}}))
    assert len(unjudged(later)) == len(completed) - 1
