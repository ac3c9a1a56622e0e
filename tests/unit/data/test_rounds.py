import numpy as np
import pytest

from lact_modules.data.rounds import deal_batches


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(
    "sizes", [[1], [1] * 5, [1] * 9, [2, 1, 1], [5, 1], [3] * 7, [1, 40]]
)
def test_every_process_gets_as_many_batches_and_no_row_is_lost(sizes, num_ranks):
    rows = np.arange(sum(sizes))
    batches = np.split(rows, np.cumsum(sizes)[:-1])
    rounds = deal_batches(batches, np.ones(len(rows)), num_ranks)
    if len(rows) < num_ranks:
        assert rounds == []
        return
    assert {len(each) for each in rounds} == {num_ranks}
    assert all(len(batch) for each in rounds for batch in each)
    dealt = np.concatenate([batch for each in rounds for batch in each])
    assert sorted(dealt) == rows.tolist()


def test_the_shortest_come_together_where_nothing_can_be_halved():
    batches = np.split(np.arange(5), 5)
    dealt = deal_batches(batches, np.array([9, 1, 5, 2, 7]), num_ranks=2)
    assert [[b.tolist() for b in each] for each in dealt] == [[[0], [1, 3]], [[2], [4]]]
