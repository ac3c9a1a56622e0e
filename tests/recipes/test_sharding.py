"""What FSDP cannot do is refused before anything is prepared."""

import pytest

STAGES = "[{epochs: [1, 1], rates: {encoder: 0.01}}]"


@pytest.mark.parametrize(
    ("recipe", "hparams", "options", "named"),
    [
        ("ASR/CTC", "lact_demo", {"target_effective_batch": 4}, "target_effective"),
        ("ASR/CTC", "lact_demo", {"unfreezing_stages": STAGES}, "unfreezing_stages"),
        (
            "ASR/CTC",
            "lact_demo",
            {"meta_ttt": "suta", "encoder": "{mixer: {ttt_rate: 0.1}}"},
            "meta_ttt",
        ),
        ("ASR/CTC", "lact_demo", {"compile": None}, "compile"),
        ("ASR/CTC", "lact_hnet_demo", {}, "dynamic_chunking"),
        (
            "ASR/CTC",
            "lact_streaming_demo",
            {"encoder": "{streaming_chunks: {backprop_frames: 32}}"},
            "backprop_frames",
        ),
        ("LM", "transformer_demo", {}, "blocks of an Encoder"),
    ],
)
def test_what_fsdp_cannot_do_is_refused_by_name(
    train, tmp_path, recipe, hparams, options, named
):
    options = {"tiny": {"d_model": 16}, "fsdp": True, "device": "cpu", **options}
    run = train(tmp_path / "run", recipe, hparams=hparams, **options)
    assert run.code == 2
    [line] = run.error.splitlines()
    assert "fsdp: " in line and named in line and "omit fsdp" in line
    assert not (run.folder / "hyperparams.yaml").exists()
