import copy
import json

import pytest
import torch
from transformers import AutoModelForCTC, AutoProcessor, Trainer, TrainingArguments
from transformers.utils import logging

from lact_modules.data.audio import load_audio
from lact_modules.encoders import EncoderBlock
from lact_modules.errors import InputError
from lact_modules.hf import LaCTConfig, LaCTForCTC
from lact_modules.model_store.export import load_export
from lact_modules.model_store.model_builder import build_model

logging.disable_progress_bar()


@pytest.fixture
def model(exported):
    return AutoModelForCTC.from_pretrained(exported)


@pytest.fixture
def batch(exported, audio_folder):
    processor = AutoProcessor.from_pretrained(exported)
    paths = sorted(audio_folder.iterdir())[:3]
    audio = [load_audio(path).numpy() for path in paths]
    return processor(audio, sampling_rate=16000, padding=True, return_tensors="pt")


def test_outputs_are_the_models_own(exported, model, batch):
    lengths = batch.attention_mask.sum(dim=1)
    assert lengths.unique().numel() == 3
    log_probs, frames = load_export(exported).model(batch.input_values, lengths)
    output = model(**batch)
    for index, length in enumerate(frames):
        assert torch.equal(output.logits[index, :length], log_probs[index, :length])
        # beyond there are only blanks
        assert not output.logits[index, length:].argmax(dim=-1).any()


def test_a_batch_gives_what_its_utterances_give(model, batch):
    logits = model(**batch).logits
    for waveform, mask, together in zip(
        batch.input_values, batch.attention_mask, logits, strict=True
    ):
        alone = model(waveform[None, mask.bool()]).logits[0]
        torch.testing.assert_close(together[: len(alone)], alone, rtol=0, atol=1e-4)


def test_padding_has_no_influence(model, batch):
    padding = batch.attention_mask == 0
    noisy = batch.input_values.masked_fill(padding, torch.nan)
    assert torch.equal(model(noisy, batch.attention_mask).logits, model(**batch).logits)


def test_no_samples_have_no_outputs(model):
    logits = model(torch.zeros(2, 0)).logits
    assert logits.shape[0] == 2
    assert not logits.argmax(dim=-1).any()


def test_the_loss_is_that_of_the_utterances(model, batch):
    labels = torch.tensor([[2, 3, 4], [5, -100, -100], [-100, -100, -100]])
    # blanks pad too
    padded = labels.masked_fill(labels < 0, 0)
    loss = model(**batch, labels=labels).loss
    assert torch.equal(model(**batch, labels=padded).loss, loss)
    alone = [
        model(waveform[None, mask.bool()], labels=label[None]).loss
        for waveform, mask, label in zip(
            batch.input_values, batch.attention_mask, labels, strict=True
        )
    ]
    torch.testing.assert_close(torch.stack(alone).mean(), loss, rtol=1e-4, atol=0)


def test_fresh_weights_are_those_of_the_description(exported):
    config = LaCTConfig.from_pretrained(exported)
    torch.manual_seed(0)
    fresh = LaCTForCTC(config).model.state_dict()
    torch.manual_seed(0)
    expected = build_model(config.model).state_dict()
    assert all(torch.equal(fresh[name], expected[name]) for name in expected)


def test_what_is_saved_is_an_export(exported, model, tmp_path):
    AutoProcessor.from_pretrained(exported).save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    ours, theirs = (load_export(folder) for folder in (exported, tmp_path))
    assert ours.vocabulary == theirs.vocabulary
    weights = theirs.model.state_dict()
    for name, value in ours.model.state_dict().items():
        assert torch.equal(weights[name], value)
    assert (tmp_path / "modeling_lact.py").is_file()
    again = AutoModelForCTC.from_pretrained(tmp_path)
    waveform = torch.linspace(0, 100, 8000).sin()[None]
    assert torch.equal(again(waveform).logits, model(waveform).logits)


def test_a_description_keeps_its_order(exported, tmp_path):
    # "same" refers to what stands before it, whatever the names are
    norm = {"class": "torch.nn.LayerNorm", "arguments": [8], "label": "0"}
    described = {"z_first": norm, "a_second": {"same": "0"}}
    LaCTConfig(model=described).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert [*saved["model"]] == ["z_first", "a_second"]


@pytest.mark.parametrize("description", [None, {"class": "os.system"}])
def test_a_description_of_no_recognizer_is_refused(description):
    with pytest.raises(InputError):
        LaCTForCTC(LaCTConfig(model=description))


def test_another_vocabulary_begins_afresh(exported, model, tmp_path):
    other = AutoModelForCTC.from_pretrained(
        exported, vocab_size=9, ignore_mismatched_sizes=True
    )
    assert other(torch.zeros(1, 8000)).logits.shape[-1] == 9
    assert 0 < other.model.output.weight.std() < 1
    kept = model.model.encoder.norm.weight
    assert torch.equal(other.model.encoder.norm.weight, kept)
    other.save_pretrained(tmp_path)
    assert LaCTConfig.from_pretrained(tmp_path).vocab_size == 9


def test_half_precision_is_left_to_autocast(exported, model, batch):
    half = AutoModelForCTC.from_pretrained(exported, dtype=torch.bfloat16)
    assert torch.equal(half(**batch).logits, model(**batch).logits)


def test_checkpointing_computes_blocks_again(model, batch, monkeypatch):
    labels = torch.tensor([[2, 3, 4]]).expand(3, -1)
    runs = []
    forward = EncoderBlock.forward
    monkeypatch.setattr(
        EncoderBlock,
        "forward",
        lambda self, *inputs: runs.append(self) or forward(self, *inputs),
    )

    def train(model):
        runs.clear()
        model.train().zero_grad()
        model(**batch, labels=labels).loss.backward()
        return len(runs), [p.grad for p in model.parameters()]

    num_before, before = train(model)
    checkpointed = copy.deepcopy(model)
    # renamed by later releases, which keep this name before 6
    checkpointed.gradient_checkpointing_enable()
    num_after, after = train(checkpointed)
    assert (num_before, num_after) == (2, 4)
    for first, second in zip(before, after, strict=True):
        torch.testing.assert_close(first, second)
    checkpointed.gradient_checkpointing_disable()
    assert train(checkpointed)[0] == 2


def test_a_trainer_takes_steps_and_resumes(exported, model, batch, tmp_path):
    rows = [
        {"input_values": waveform[mask.bool()], "labels": torch.tensor([2, 3])}
        for waveform, mask in zip(batch.input_values, batch.attention_mask, strict=True)
    ]
    processor = AutoProcessor.from_pretrained(exported)

    def collate(rows):
        audio = [{"input_values": row["input_values"]} for row in rows]
        padded = processor.feature_extractor.pad(audio, return_tensors="pt")
        return {**padded, "labels": torch.stack([row["labels"] for row in rows])}

    options = {
        "output_dir": str(tmp_path),
        "per_device_train_batch_size": 3,
        "report_to": [],
        "save_steps": 1,
        "use_cpu": True,
        "disable_tqdm": True,
    }
    before = model.model.output.weight.clone()
    for max_steps in (1, 2):
        trainer = Trainer(
            model,
            TrainingArguments(max_steps=max_steps, **options),
            train_dataset=rows,
            data_collator=collate,
            processing_class=processor,
        )
        trainer.train(resume_from_checkpoint=max_steps > 1)
    assert trainer.state.global_step == 2
    assert not torch.equal(model.model.output.weight, before)
    # what it saves is an export
    saved = load_export(tmp_path / "checkpoint-2").model
    assert torch.equal(saved.output.weight, model.model.output.weight)
