"""Keys that every recipe understands and no YAML file need mention."""

from typing import Any

DEFAULTS: dict[str, Any] = {
    # what lact-asr compare calls the run, whatever its seed
    "arm": None,
    # manifests in the place of splits, a path or a list of paths each
    "train_manifest": None,
    "valid_manifest": None,
    "test_manifest": None,
    # options of the corpus's preparation, such as max_duration
    "preparation": {},
    # shards in the place of training splits: a folder, a pattern or a list of these
    "train_shards": None,
    # utterances of shards that a batch is chosen from
    "shard_buffer": 1024,
    # most utterances of one speaker that follow each other in a training example, for
    # models that remember
    "stream_utterances": 1,
    # learning rates and weight decay by module, a list of rules
    "parameter_groups": None,
    # factor of the learning rate from each layer to the one below
    "layer_decay": 1.0,
    # what to train in which epochs at which rates, a list; the rest is frozen
    "stages": None,
    # utterances of an optimizer step, whatever memory and processes allow
    "target_effective_batch": None,
    # noises to add, a folder; at which signal-to-noise ratios, to what share
    "noise_folder": None,
    "noise_snr_db": [0, 15],
    "noise_prob": 0.5,
    # impulse responses of rooms, a folder; for what share
    "rir_folder": None,
    "rir_prob": 0.5,
    # to encode and decode with: mulaw, alaw, mp3, opus, vorbis, narrowband
    "codecs": [],
    "codec_prob": 0.5,
    # chance of a pause before, in and after an utterance, each; its length in seconds
    "pause_prob": 0.2,
    "pause_seconds": [0.1, 2.0],
    # what checkpoints of recognizers are the best by: WER, CER or loss; a rate of words
    # says little while few are right
    "best_by": "WER",
    # where to watch the training: tensorboard, wandb, mlflow
    "trackers": ["tensorboard"],
    # utterances of each validation, those with most errors, to hear in trackers
    "num_worst_utterances": 3,
    # model to start from: a run's folder, an export, or an id on the Hugging Face hub
    "init_from": None,
    # modules that start fresh all the same, such as decoder
    "init_fresh": [],
    # weight of masked prediction beside CTC, of a model with enable_ttt
    "ttt_loss_weight": 0.1,
    # loss that a step of test-time training minimizes in each step of training, so that
    # the model learns to be adapted; its gradient too, to the second order
    "meta_ttt": None,
    "meta_ttt_second_order": False,
    # model in transformers' format that a Wav2Vec2Frontend's convolutions come from: a
    # folder, or an id on the Hugging Face hub
    "wav2vec2_model_name": None,
    # repository of the Hugging Face hub that gets the trained model, and who sees it
    "push_to_hub": None,
    "hub_private": True,
}
"""What holds where neither the YAML nor the command line say otherwise."""
