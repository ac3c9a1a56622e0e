"""Train a few steps in one process, or, started by torchrun, the same ones in several.

What is drawn at random depends on the utterances alone, so that both draw the same.
"""

import random
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock
from zlib import crc32

import torch
from ruamel.yaml import YAML
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import ddp_broadcast, ddp_init_group, get_rank
from torch.optim import SGD

from lact_modules.training.batch.batching import MicroBatches
from lact_modules.training.batch.speech_batch import SpeechBatch
from lact_modules.training.brain import ASRBrain
from lact_modules.training.checkpoints import AtomicCheckpointer
from lact_modules.training.ctc import CTCBrain
from lact_modules.training.muon import MuonWithAdamW
from lact_modules.training.option.hparams import load_hparams
from lact_modules.training.parallel.sharding import draw_alike
from lact_modules.training.s2s import S2SBrain

RECIPES = Path(__file__).parents[1] / "recipes" / "LibriSpeech" / "ASR"

LOST = {"id": "lost", "signal": torch.empty(0), "tokens": torch.tensor([3, 4])}

# of each step; stages change once
EPOCHS = (1, 2, 2)

TINY = """
d_model: 16
num_tokens: 12
trackers: []
data_folder: .
"""
MEL = "frontend: {channels: 4, dropout: 0.1}"
CTC = ["CTC/hparams/lact_demo.yaml", MEL, "encoder: {num_layers: 2}"]
STREAMING = ["CTC/hparams/lact_streaming_demo.yaml", *CTC[1:]]
HNET = ["CTC/hparams/lact_hnet_demo.yaml", MEL]
HYBRID = ["CTC/hparams/hybrid_demo.yaml", "frontend: {channels: 8}\nnum_layers: 2"]
S2S = ["transformer/hparams/lact_demo.yaml", MEL, "num_layers: 2"]

DROP = "encoder: {num_layers: 3, dropout: 0.1, layer_drop: 0.5}"
DYNAMIC = "dynamic_chunking: {hold_steps: 0, warmup_steps: 0, router: %s}"
ROUTED = f"encoder: {{num_layers: 3, layer_drop: 0.3, {DYNAMIC}}}"
HEADS = "encoder: {heads: {1: ctc, 2: self-conditioned-ctc}}"
VIEWS = "cr_loss_scale: 0.5\ncr_warmup_steps: 0"
FIRST = "{epochs: [1, 1], rates: {output: 0.05, encoder.norm: 0.01}}"
STAGES = f"unfreezing_stages: [{FIRST}, {{epochs: [2, 2], rates: {{encoder: 0.05}}}}]"
GROUPS = "layer_decay: 0.5\nparameter_groups: [{match: output, lr_scale: 2}]"
# through a second block, whose attention must have second derivatives too
META = "meta_ttt: suta\nencoder: {num_layers: 2, mixer: {ttt_rate: 0.1}}"
SECOND_ORDER = f"{META}\nmeta_ttt_second_order: true"
TTT = "enable_ttt: true\nencoder: {layer_drop: 0.3}"
STILL = "pause_prob: 0.0\nwav_augment: {augment_prob: 0.0}"
STILL += "\nfea_augment: {augment_prob: 0.0}"
FSDP = "fsdp: true"
DRY = "frontend: {dropout: 0.0}\nencoder: {dropout: 0.0}"

# YAML and changes to it; batches that each of two processes accumulates, or 0 for an
# effective batch
CASES = {
    "plain": (CTC, 1),
    "accumulated": (CTC, 2),
    "layer_drop": ([*CTC, DROP], 1),
    "layer_drop, accumulated": ([*CTC, DROP], 2),
    "cosine router": ([*HNET, ROUTED % "cosine"], 1),
    "ctc-blank router": ([*HNET, ROUTED % "ctc-blank"], 1),
    "similarity router": ([*HNET, ROUTED % "similarity"], 1),
    "uniform router": ([*HNET, ROUTED % "uniform"], 1),
    "heads": ([*STREAMING, HEADS, "frontend: {normalization: utterance}"], 1),
    "views": ([*CTC, VIEWS], 1),
    "attention, heads, layer_drop": ([*S2S, DROP, HEADS], 1),
    "attention, heads, layer_drop, views": ([*S2S, DROP, HEADS, VIEWS], 1),
    "enable_ttt": ([*HYBRID, TTT], 1),
    "meta_ttt": ([*CTC, META], 1),
    "meta_ttt, second order": ([*CTC, SECOND_ORDER], 1),
    "stages": ([*CTC, STAGES], 1),
    "stages, layer_drop, groups, accumulated": ([*CTC, STAGES, DROP, GROUPS], 2),
    "parameter_groups": ([*CTC, GROUPS], 1),
    "attention": (S2S, 1),
    "attention, layer_drop": ([*S2S, DROP], 1),
    "chunks": ([*STREAMING, "frontend: {normalization: utterance}"], 1),
    "running normalization": (STREAMING, 1),
    "effective": (CTC, 0),
    "effective, layer_drop": ([*CTC, DROP], 0),
    "effective, stages, layer_drop, groups": ([*CTC, STAGES, DROP, GROUPS], 0),
    "effective, ctc-blank router": ([*HNET, ROUTED % "ctc-blank"], 0),
    "effective, enable_ttt": ([*HYBRID, TTT], 0),
    "effective, meta_ttt": ([*CTC, META], 0),
    "effective, attention": ([*S2S, DROP], 0),
    "effective, heads, layer_drop, views": ([*CTC, DROP, HEADS, VIEWS], 0),
    "effective, running normalization": (STREAMING, 0),
    "effective, out of memory": ([*CTC, STILL, DRY], 0),
    "fsdp, layer_drop, groups, resumed": ([*CTC, DROP, GROUPS, FSDP], 1),
    "fsdp, layer_drop, accumulated": ([*CTC, DROP, FSDP], 2),
    "fsdp, enable_ttt": ([*HYBRID, TTT, FSDP], 1),
    "fsdp, attention, heads, layer_drop": ([*S2S, DROP, HEADS, FSDP], 1),
    "fsdp, chunks": ([*STREAMING, "frontend: {normalization: utterance}", FSDP], 1),
    "fsdp, running normalization": ([*STREAMING, FSDP], 1),
    "fsdp, muon, resumed": ([*CTC, FSDP], 1),
}
FEW = [
    "stages, layer_drop, groups, accumulated",
    "ctc-blank router",
    "enable_ttt",
    "meta_ttt, second order",
    "attention, heads, layer_drop, views",
    "running normalization",
    "effective, stages, layer_drop, groups",
    "effective, enable_ttt",
    "effective, out of memory",
    "fsdp, layer_drop, groups, resumed",
    "fsdp, enable_ttt",
    "fsdp, muon, resumed",
]
"""Whose parts are those of all the others."""


def merge(*texts):
    """Join mappings in YAML, those within them too; a later one counts."""

    def update(known, more):
        for key, value in more.items():
            if isinstance(value, dict) and isinstance(known.get(key), dict):
                update(known[key], value)
            else:
                known[key] = value

    merged = YAML().load(texts[0])
    for text in texts[1:]:
        update(merged, YAML().load(text) or {})
    return merged


# weight decay distinguishes a gradient of zero from none
OPTIMIZER = {"lr": 0.01, "weight_decay": 0.1, "momentum": 0.9}


def make_brain(folder, yaml_file, *changes, effective, optimizer=SGD):
    """Make a recipe's Brain as `run_recipe` does, without data."""
    if effective:
        changes = [*changes, "target_effective_batch: 4"]
    hparams = load_hparams(RECIPES / yaml_file, merge(TINY, *changes))
    hparams["output_folder"] = folder
    hparams["schedule"] = lambda step, total: 1.0
    kind = S2SBrain if "decoder" in hparams else CTCBrain
    run_opts = {"device": "cpu", "distributed_launch": get_rank() is not None}
    run_opts |= {"max_grad_norm": 1.0, "noprogressbar": True}
    brain = kind(
        decoders={"none": None},
        modules=hparams["modules"],
        opt_class=partial(optimizer, **OPTIMIZER),
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=AtomicCheckpointer(folder, {"model": hparams["model"]}),
    )
    brain.total_steps = brain.steps_per_epoch = len(EPOCHS)
    brain._wrap_distributed()
    brain.init_optimizers()
    if hparams["fsdp"] and get_rank() is None:
        # as processes do that share a model
        draw_alike(brain.model.encoder)
    brain.checkpointer.recover_if_possible()
    brain.modules.train()
    return brain


def make_examples(step, num):
    """Make noises of different lengths, with labels."""
    generator = torch.Generator().manual_seed(step)
    examples = []
    for index in range(num):
        num_samples = 5000 + 400 * ((5 * index + 3 * step) % 8) + index + 10 * step
        signal = torch.randn(num_samples, generator=generator)
        tokens = torch.randint(3, 12, (4 + index % 3,), generator=generator)
        examples.append({"id": f"{step}-{index}", "signal": signal, "tokens": tokens})
    return examples


def learn(brain, step, accumulated, rank, num_ranks):
    """Take a step; give its loss, averaged over ranks."""
    if accumulated == 0:
        share = PaddedBatch(make_examples(step, 4)[rank::num_ranks])
        return brain.learn(share, should_step=True).loss.detach()
    examples = make_examples(step, 4 * accumulated)
    pairs = [PaddedBatch(examples[i : i + 2]) for i in range(0, len(examples), 2)]
    if accumulated > 1:
        # a batch more, and one that cannot be read
        pairs += [PaddedBatch(make_examples(step + 9, 2)), SpeechBatch([LOST])]
    mine = pairs[rank::num_ranks]
    # a step that is not full
    brain.optimization.accumulation.num_batches = len(mine) + (accumulated > 1)
    losses = [brain.learn(pair, pair is mine[-1]).loss.detach() for pair in mine]
    valid = torch.stack([loss for loss in losses if loss.isfinite()])
    total = torch.stack([valid.sum(), torch.tensor(float(len(valid)))])
    if num_ranks > 1:
        torch.distributed.all_reduce(total)
    return total[0] / total[1]


def run_out_of_memory(model):
    """Let backward fail, half way through it, for more than one utterance at once."""
    sizes = []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))

    def fail(gradient):
        if sizes[-1] > 1:
            raise RuntimeError("CUDA error: out of memory")

    model.encoder.blocks[0].norm.weight.register_hook(fail)


def train(case):
    """Return losses, and what a checkpoint holds of the model after some steps."""
    recipe, accumulated = CASES[case]
    rank, num_ranks = get_rank() or 0, 1
    if torch.distributed.is_initialized():
        num_ranks = torch.distributed.get_world_size()
    torch.manual_seed(0)
    folder = ddp_broadcast(tempfile.mkdtemp())
    make = partial(
        *(make_brain, folder, *recipe),
        effective=accumulated == 0,
        optimizer=MuonWithAdamW if "muon" in case else SGD,
    )
    brain = make()
    if accumulated == 0:
        # one at once: then what is drawn does not depend on how a step is cut
        at_once = 4 if "out of memory" in case else 1
        brain.optimization.accumulation.micro_batches = MicroBatches(
            4 // num_ranks, at_once, 1000.0
        )
    if "out of memory" in case and rank == 1:
        run_out_of_memory(brain.model)
    losses = []
    for step, epoch in enumerate(EPOCHS):
        brain.unfreeze(epoch)
        losses.append(learn(brain, step, accumulated, rank, num_ranks).item())
        if "resumed" in case and step == 0:
            brain.checkpointer.save_checkpoint()
            brain = make()
    return losses, brain.model.state_dict()


@contextmanager
def drawn_by_content():
    """Let what is drawn at random for a batch depend on its utterances alone."""
    run_model = ASRBrain.run_model

    def run_seeded_model(self, batch, *arguments, **options):
        seed = crc32(" ".join(batch.id).encode())
        step = batch.id[0].split("-")[0]
        # where all processes draw alike
        random.seed(step if self.hparams.fsdp else seed)
        torch.manual_seed(seed)
        return run_model(self, batch, *arguments, **options)

    with mock.patch.object(ASRBrain, "run_model", run_seeded_model):
        yield


def train_all(cases):
    """Return what `train` does, by case."""
    with drawn_by_content():
        return {case: train(case) for case in cases}


def main(folder, *cases):
    """Train cases; each process leaves what has become of them."""
    ddp_init_group({"distributed_launch": True, "distributed_backend": "gloo"})
    torch.save(train_all(cases), Path(folder) / f"{get_rank()}.pt")
    torch.distributed.destroy_process_group()
    # its threads outlive it
    time.sleep(0.5)


if __name__ == "__main__":
    main(*sys.argv[1:])
