from loadtests.threads import account


def test_the_busiest_threads_are_the_lanes_and_first_threads_the_loops() -> None:
    spent = {(1, 1): 0.1, (7, 7): 0.9, (7, 8): 9.0, (7, 9): 8.5, (7, 10): 0.2}
    parts = list(account(spent, lanes=2).values())
    assert parts == [17.5, 1.0, 0.2]
