"""The runtime: what is chosen, what is refused, and that what it sets takes effect."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional as F

from handful.core.device import bf16_gain, keep_freed_memory, start_runtime
from handful.core.errors import UserError


@pytest.fixture(autouse=True)
def process_settings_kept() -> Iterator[None]:
    threads = torch.get_num_threads()
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32
    torch.set_flush_denormal(False)
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(False)


def test_auto_takes_the_cpu_where_there_is_nothing_better() -> None:
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has an accelerator")
    runtime = start_runtime()
    assert runtime.device == torch.device("cpu") and runtime.memory_format is torch.channels_last
    assert runtime.describe() == {
        "device": "cpu",
        "precision": runtime.precision,
        "memory_format": "channels_last",
        "threads": torch.get_num_threads(),
        "deterministic": False,
        "tuned": True,
    }


def test_auto_precision_follows_the_self_test() -> None:
    runtime = start_runtime("cpu")
    assert runtime.precision == ("bf16" if bf16_gain("cpu", runtime.threads) >= 1.3 else "fp32")


def test_an_asked_precision_is_given_and_autocast_obeys_it() -> None:
    image, weight = torch.ones(1, 4, 8, 8), torch.ones(4, 4, 3, 3)
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        with start_runtime("cpu", precision).autocast():
            assert F.conv2d(image, weight).dtype == dtype
    assert start_runtime("cpu", "bf16", deterministic=True).precision == "bf16"


def test_fp32_is_not_tf32() -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    start_runtime("cpu", "fp32")
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32


def test_deterministic_means_fp32_and_can_be_switched_off_again() -> None:
    assert start_runtime("cpu", deterministic=True).precision == "fp32"
    assert torch.are_deterministic_algorithms_enabled()
    start_runtime("cpu", "fp32")
    assert not torch.are_deterministic_algorithms_enabled()


def test_one_switch_leaves_all_tuning_out() -> None:
    runtime = start_runtime("cpu", tuned=False)
    assert (runtime.precision, runtime.memory_format) == ("fp32", torch.contiguous_format)
    assert float(torch.tensor(1e-40) * 1) > 0


def test_denormals_are_flushed_to_zero() -> None:
    start_runtime("cpu", "fp32")
    assert float(torch.tensor(1e-40) * 1) == 0


def test_threads_are_set() -> None:
    assert start_runtime("cpu", "fp32", threads=1).threads == 1 == torch.get_num_threads()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_large_tensors_are_no_longer_mapped_one_by_one() -> None:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        pytest.skip("this C library cannot tell")

    class Mallinfo2(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in ["arena", "ordblks", "smblks", "mapped_blocks", "rest"]] + [
            ("more", ctypes.c_size_t * 5)
        ]

    libc.mallinfo2.restype = Mallinfo2
    assert keep_freed_memory()
    before = libc.mallinfo2().mapped_blocks
    large = torch.empty(2**26)  # 256 MiB, always mapped otherwise
    assert libc.mallinfo2().mapped_blocks == before
    del large


def test_a_device_that_is_absent_is_refused_with_those_present() -> None:
    for name, present in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())):
        if not present:
            with pytest.raises(UserError) as caught:
                start_runtime(name)
            assert f"The device {name} was asked for" in caught.value.what
            assert "Present here:" in caught.value.allowed and "cpu" in caught.value.allowed
            assert "--device auto" in caught.value.do


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="There is no device called 'cudo'") as caught:
        start_runtime("cudo")
    assert "Did you mean 'cuda'?" in caught.value.do
    with pytest.raises(UserError, match="There is no precision called 'bf-16'") as caught:
        start_runtime("cpu", "bf-16")
    assert "auto, bf16, fp32" in caught.value.allowed and "Did you mean 'bf16'?" in caught.value.do


@pytest.mark.parametrize("threads", [0, -2])
def test_fewer_than_one_thread_is_refused(threads: int) -> None:
    with pytest.raises(UserError) as caught:
        start_runtime("cpu", threads=threads)
    assert caught.value.what == f"threads is {threads}." and "at least 1" in caught.value.allowed
