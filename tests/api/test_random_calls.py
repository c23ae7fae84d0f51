"""Some thousands of calls that nobody would make; tests/api/random-calls makes as many as one has time for."""
import pytest
from api.random_calls import CONFIGURATION, ordeal
from api.test_methods import METHODS, every, needed

VALID = {name: [needed(arguments), every(arguments)] for name, arguments, _ in METHODS}


@pytest.mark.parametrize("seed", [1, 2])
def test_random_calls(fresh, seed):
    calls, wrong = ordeal(fresh(CONFIGURATION, hosts=2), 1500, seed, VALID)
    assert wrong == []
    assert all(calls.outcomes[word] > 50 for word in ("done", "refused", "fault")), calls.outcomes
