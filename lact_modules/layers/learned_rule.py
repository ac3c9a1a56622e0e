"""An update rule that is learned, and whose gain is warmed up."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from lact_modules.ops import UpdateRule


class LearnedRule(nn.Module):
    """How fast weights of a module take a step: given, learned, warmed up.

    What is learned and counted is the module's own, by the names that it has here.
    """

    num_batches: Tensor

    def set_rule(
        self, rule: UpdateRule, num_heads: int, learn: bool, gain_warmup: int
    ) -> None:
        """Take a rule.

        Arguments
        ---------
        rule : UpdateRule
            How to take a step, to begin with.
        num_heads : int
            Heads, each of which learns its own.
        learn : bool
            Whether gain and decay are learned.
        gain_warmup : int
            Batches of training in which the gain grows evenly to what it is to be.

        Raises
        ------
        ValueError
            If a rule is to be learned that has no gain above 0 or no decay between 0
            and 1.
        """
        self.rule = rule
        self.gain_warmup = gain_warmup
        if gain_warmup:
            self.register_buffer("num_batches", torch.zeros((), dtype=torch.int64))
        self.log_gain: nn.Parameter | None = None
        self.decay_logit: nn.Parameter | None = None
        if learn:
            gain, decay = self.rule.gain, self.rule.decay
            if not gain > 0 or not 0 < decay < 1:
                raise ValueError(
                    f"learn_rule: starts from a gain above 0 and a decay between 0 "
                    f"and 1, not {gain} and {decay}"
                )
            shape, logit = (num_heads, 1, 1), math.log(decay / (1 - decay))
            self.log_gain = nn.Parameter(torch.full(shape, math.log(gain)))
            self.decay_logit = nn.Parameter(torch.full(shape, logit))

    @property
    def current_rule(self) -> UpdateRule:
        """How to take a step, as far as it has been learned and warmed up."""
        rule = self.rule
        if self.log_gain is not None and self.decay_logit is not None:
            gain, decay = self.log_gain.exp(), self.decay_logit.sigmoid()
            rule = replace(rule, gain=gain, decay=decay)
        if self.gain_warmup:
            share = (self.num_batches / self.gain_warmup).clamp(max=1)
            rule = replace(rule, gain=rule.gain * share)
        return rule

    def count_batch(self) -> None:
        """Count a batch of training, as long as the gain grows."""
        if self.training and self.gain_warmup:
            self.num_batches += 1
