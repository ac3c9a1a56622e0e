"""Steps of test-time training on a batch, each utterance's its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from lact_modules.adaptation.gate import Traits
from lact_modules.adaptation.objective.objectives import Objective, Pass
from lact_modules.adaptation.step.optimizers import OptimizerFactory
from lact_modules.adaptation.step.parameters import Adaptable, Values


class Run(Protocol):
    """Runs a batch, or some rows of it (b,), each with parameters of its own."""

    def __call__(self, values: Values, rows: Tensor | None = None) -> Pass:
        """Return what objectives read."""


class Trained(NamedTuple):
    """Some rows of a batch after their steps.

    Arguments
    ---------
    values : Values
        Parameters of those that have taken all steps.
    hidden : Tensor
        (b, T, D) encoded with each one's parameters.
    traits : Traits
        (b,) of the output then.
    loss_before : Tensor
        (b,) before the first step.
    loss_after : Tensor
        (b,) after the last.
    """

    values: Values
    hidden: Tensor
    traits: Traits
    loss_before: Tensor
    loss_after: Tensor


@dataclass
class Steps:
    """How steps are taken; `is_enough` marks those (B,) that take no further one."""

    adaptable: Adaptable
    objective: Objective
    optimizer: OptimizerFactory
    count: int
    is_enough: Callable[[Traits], Tensor] | None = None

    def take(self, run: Run, values: Values, seen: Pass, rows: Tensor) -> Trained:
        """Let some rows (b,) of a batch take their steps; the others cost little."""
        here, going = torch.arange(len(seen.lengths), device=rows.device), rows
        optimizer, loss = self.optimizer(values), self.objective(seen)
        hidden = torch.zeros_like(seen.hidden)
        ended = torch.zeros(4, len(here), device=rows.device)
        ended[0] = loss.detach()
        for step in range(1, self.count + 1):
            # to run few again takes less time than the gradients of all
            if 2 * len(going) <= len(here) and not optimizer.state:
                values, here = self._narrow(values, here, going)
                optimizer, loss = (
                    self.optimizer(values),
                    self.objective(run(values, here)),
                )
            optimizer.zero_grad()
            loss.sum().backward(inputs=list(values.values()))
            optimizer.step()
            is_last = step == self.count
            if is_last:
                values, here = self._narrow(values, here, going)
            with torch.set_grad_enabled(not is_last):
                seen = run(values, here)
                loss = self.objective(seen)
            traits = Traits.of(seen.log_probs.detach(), seen.lengths)
            is_going = torch.isin(here, going)
            is_done = is_going & (is_last | self._find_done(traits))
            hidden[here[is_done], : seen.hidden.shape[1]] = seen.hidden.detach()[
                is_done
            ]
            found = torch.stack([loss.detach(), *traits])
            ended[1:, here[is_done]] = found[:, is_done]
            going = here[is_going & ~is_done]
            if not len(going):
                break
        before, after, *traits_after = ended[:, rows]
        return Trained(values, hidden[rows], Traits(*traits_after), before, after)

    def _find_done(self, traits: Traits) -> Tensor:
        if self.is_enough is None:
            return torch.zeros_like(traits.confidence, dtype=torch.bool)
        return self.is_enough(traits)

    def _narrow(
        self, values: Values, here: Tensor, going: Tensor
    ) -> tuple[Values, Tensor]:
        """Drop the rows that do not continue."""
        return self.adaptable.of_rows(values, torch.isin(here, going)), going
