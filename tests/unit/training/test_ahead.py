"""Batches made ahead by processes of their own."""

from itertools import chain

import pytest
import torch
from torch.multiprocessing import reductions

from pipeline.training.ahead import ahead

# Python 3.12 and later warn of a fork beside threads; the processes forked here start none.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(autouse=True)
def _nothing_left():
    yield
    reductions.shared_cache.clear()  # else torch complains of it when the interpreter ends


class Numbers:
    """Deals 24 numbers of an epoch out to so many processes, in batches of two."""

    def batches(self, epoch, rank, processes):
        for pair in torch.arange(24)[rank::processes].split(2):
            yield {"x": pair + 100 * epoch}


def made(loaders, rank=0, processes=1):
    return [batch["x"].tolist() for batch in ahead(Numbers(), 3, rank, processes, loaders, pinned=False)]


def test_without_loaders_the_training_process_makes_its_batches():
    assert made(0) == [[300 + n, 301 + n] for n in range(0, 24, 2)]


@pytest.mark.parametrize("loaders", [1, 2])
def test_loaders_make_every_example_once_and_in_a_fixed_order(loaders):
    batches = made(loaders)
    assert sorted(chain(*batches)) == [300 + n for n in range(24)]
    assert batches == made(loaders)
    # In turn: a batch of the first loader, one of the second, and so on.
    assert [batch[0] % 100 for batch in batches[:loaders]] == list(range(loaders))


def test_loaders_of_two_training_processes_share_nothing():
    first, second = ([*chain(*made(2, rank, 2))] for rank in (0, 1))
    assert not set(first) & set(second)
    assert sorted(first + second) == [300 + n for n in range(24)]
    assert len(first) == len(second)


def test_an_error_in_a_loader_reaches_the_training():
    class Broken(Numbers):
        def batches(self, epoch, rank, processes):
            yield {"x": torch.zeros(1)}
            raise ValueError("no such picture")

    with pytest.raises(ValueError, match="no such picture"):
        list(ahead(Broken(), 0, 0, 1, 2, pinned=False))
