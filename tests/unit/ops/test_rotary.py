import torch

from lact_modules.ops.rotary import make_rotation, rotate


def test_rotation_keeps_norms_and_sees_distances_alone():
    x, y = torch.randn(2, 1, 2, 6, 8, dtype=torch.float64)

    def rotated(each, first):
        return rotate(each, make_rotation(first, 6, 8, like=each))

    torch.testing.assert_close(rotated(x, 0).norm(dim=-1), x.norm(dim=-1))
    here = (rotated(x, 0) * rotated(y, 2)).sum(-1)
    later = (rotated(x, 1_000_007) * rotated(y, 1_000_009)).sum(-1)
    torch.testing.assert_close(here, later, atol=1e-6, rtol=1e-6)


def test_a_table_holds_any_run_of_frames():
    x = torch.randn(1, 8, dtype=torch.float64)
    whole = make_rotation(0, 2100, 8, like=x)
    for first, num_frames in [(0, 1), (1020, 9), (1023, 1025), (2048, 52), (5, 0)]:
        run = make_rotation(first, num_frames, 8, like=x)
        for table, wanted in zip(run, whole, strict=True):
            assert torch.equal(table, wanted[first : first + num_frames])


def test_layers_share_tables_that_training_can_use():
    x = torch.randn(1, 6, 8, requires_grad=True)
    with torch.inference_mode():
        remembered = make_rotation(5, 6, 8, like=x)
    again = make_rotation(5, 6, 8, like=x)
    assert again.cosine.data_ptr() == remembered.cosine.data_ptr()
    rotate(x, again).square().sum().backward()
    assert x.grad.isfinite().all()
    assert make_rotation(5, 6, 8, like=x.double()).cosine.dtype == torch.float64
