# SPDX-License-Identifier: GPL-2.0-or-later
"""The virtqueue driver against a device that is a few lines of Python on the same memory."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ksuite.dut.vhost_transfer import Patience
from ksuite.dut.vring import AVAIL_F_NO_INTERRUPT, DESC_F_WRITE, LostWakeupError, Memory, Virtqueue

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 256
WRAP = 1 << 16


class Device:
    """The device's side of a virtqueue, from VIRTIO 1.2, 2.7: reads avail, writes used, signals."""

    def __init__(self, queue: Virtqueue) -> None:
        self.queue = queue
        self.avail = queue.avail_bytes.view("<u2")
        self.used = queue.used_bytes[4 : 4 + 8 * queue.size].view("<u4").reshape(-1, 2)
        self.used_idx = queue.used_bytes[2:4].view("<u2")
        self.avail_event = queue.used_bytes[4 + 8 * queue.size :].view("<u2")
        self.flags = queue.used_bytes[0:2].view("<u2")
        self.served = 0
        self.deaf = False
        self.mute = False

    def serve(self, most: int = WRAP) -> list[int]:
        """Use what is available, with the chain's head as the length; signal when asked to."""
        before = self.served
        heads: list[int] = []
        while self.served % WRAP != int(self.avail[1]) and len(heads) < most:
            head = int(self.avail[2 + self.served % self.queue.size])
            self.used[self.served % self.queue.size] = head, head
            heads.append(head)
            self.served += 1
        if not self.deaf:
            self.avail_event[0] = self.served % WRAP
        self.used_idx[0] = self.served % WRAP
        if self._must_signal(before) and not self.mute:
            os.eventfd_write(self.queue.call_fd, 1)
        return heads

    def _must_signal(self, before: int) -> bool:
        if not self.queue.event_idx:
            return not int(self.avail[0]) & AVAIL_F_NO_INTERRUPT
        used_event = int(self.avail[2 + self.queue.size])
        return used_event in {index % WRAP for index in range(before, self.served)}


@pytest.fixture(params=[True, False], ids=["event_idx", "flags"])
def queue(request: pytest.FixtureRequest) -> Iterator[Virtqueue]:
    queue = Virtqueue(Memory(1 << 20), SIZE, 64, writable=True, event_idx=request.param)
    yield queue
    queue.close()


@pytest.fixture
def event_queue() -> Iterator[Virtqueue]:
    queue = Virtqueue(Memory(1 << 20), SIZE, 64, writable=False, event_idx=True)
    yield queue
    queue.close()


def test_descriptors_name_buffers_of_their_own(queue: Virtqueue) -> None:
    addresses = [int(address) for address in queue.desc["addr"]]
    queue.buffers[:, 0] = np.arange(SIZE)
    for index in (0, 1, SIZE - 1):
        start = addresses[index] - queue.buffers.ctypes.data
        assert queue.buffers.reshape(-1)[start] == index
    assert set(queue.desc["len"]) == {64}
    assert set(queue.desc["flags"]) == {DESC_F_WRITE}


def test_memory_is_handed_out_once() -> None:
    memory = Memory(4 * 4096)
    first, second = memory.take(10), memory.take(4097)
    first[:] = 1
    second[:] = 2
    assert set(first) == {1}
    assert (second.ctypes.data - memory.address) % 4096 == 0
    with pytest.raises(MemoryError):
        memory.take(4097)


def test_everything_comes_back_in_order_past_the_wrap(queue: Virtqueue) -> None:
    device = Device(queue)
    heads = np.random.default_rng(1).permutation(SIZE)
    rounds = 3 * WRAP // SIZE + 7
    for turn in range(rounds):
        batch = heads[: SIZE - turn % 5]
        queue.post(batch)
        assert device.serve() == list(batch)
        ids, lengths = queue.take_used()
        assert list(ids) == list(lengths) == list(batch)
    assert queue.taken == queue.posted == device.served > 2 * WRAP
    assert queue.used_count() == queue.taken


def test_device_that_is_half_done(queue: Virtqueue) -> None:
    device = Device(queue)
    queue.post(np.arange(10))
    device.serve(most=4)
    assert queue.used_count() == 4
    assert list(queue.take_used()[0]) == [0, 1, 2, 3]
    assert list(queue.take_used()[0]) == []
    device.serve()
    assert list(queue.take_used()[0]) == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("start", [0, 100, WRAP - 8, WRAP - 4, WRAP - 1, WRAP, 3 * WRAP - 4])
@pytest.mark.parametrize("count", [1, 4, 8])
def test_kick_when_the_event_index_is_passed(
    event_queue: Virtqueue, start: int, count: int
) -> None:
    """VIRTIO 1.2, 2.7.10: notify if the index in avail_event is among those just made available."""
    device = Device(event_queue)
    event_queue.post(np.zeros(start, dtype=int))
    event_queue.kick()
    for event in range(start - 3, start + count + 3):
        device.avail_event[0] = event % WRAP
        event_queue.posted = start
        event_queue._kicked_at = start % WRAP
        before = event_queue.kicks
        event_queue.post(np.zeros(count, dtype=int))
        event_queue.kick()
        assert event_queue.kicks - before == (start <= event < start + count), event


def test_nothing_posted_is_no_reason_to_kick(event_queue: Virtqueue) -> None:
    event_queue.kick()
    assert event_queue.kicks == 0


def test_kicks_reach_the_device(queue: Virtqueue) -> None:
    device = Device(queue)
    for _ in range(2 * WRAP // 32):
        queue.post(np.arange(32))
        queue.kick()
        assert os.eventfd_read(queue.kick_fd) == 1
        device.serve()
        queue.take_used()


def test_kick_is_suppressed_by_flag() -> None:
    queue = Virtqueue(Memory(1 << 20), SIZE, 64, writable=True, event_idx=False)
    device = Device(queue)
    device.flags[0] = 1
    queue.post([0])
    queue.kick()
    assert queue.kicks == 0
    queue.kick_always()
    assert os.eventfd_read(queue.kick_fd) == 1
    queue.close()


def test_busy_device_is_kicked_once(event_queue: Virtqueue) -> None:
    device = Device(event_queue)
    device.deaf = True
    for _ in range(8):
        event_queue.post(np.arange(16))
        event_queue.kick()
    assert event_queue.kicks == 1


def test_driver_sleeps_until_all_is_used(queue: Virtqueue) -> None:
    device = Device(queue)
    queue.post(np.arange(100))

    def serve_slowly() -> None:
        for _ in range(10):
            device.serve(most=10)

    worker = threading.Timer(0.05, serve_slowly)
    worker.start()
    queue.wait_used(100)
    worker.join()
    assert queue.used_count() == 100
    assert queue.wakeups >= 1
    if queue.event_idx:
        assert queue.wakeups == 1


def test_waits_past_the_wrap(queue: Virtqueue) -> None:
    device = Device(queue)
    for _ in range(WRAP // SIZE + 2):
        queue.post(np.arange(SIZE))
        worker = threading.Thread(target=device.serve)
        worker.start()
        queue.wait_used(queue.posted)
        worker.join()
        queue.take_used()
    assert queue.taken > WRAP


def test_no_signal_is_asked_for_while_nobody_waits(queue: Virtqueue) -> None:
    device = Device(queue)
    if queue.event_idx:
        device.avail[2 + SIZE] = WRAP - 1
    for total in (8, 16):
        queue.post(np.arange(8))
        device.serve()
        queue.wait_used(total)
    assert queue.wakeups == 0
    with pytest.raises(BlockingIOError):
        os.eventfd_read(queue.call_fd)


def test_device_that_does_nothing(queue: Virtqueue) -> None:
    queue.post(np.arange(8))
    with pytest.raises(LostWakeupError, match="0 of 8 used, 8 posted"):
        queue.wait_used(8, timeout_seconds=0.02)


def test_device_that_forgets_to_signal(queue: Virtqueue) -> None:
    device = Device(queue)
    device.mute = True
    queue.post(np.arange(8))
    worker = threading.Timer(0.02, device.serve)
    worker.start()
    with pytest.raises(LostWakeupError, match="8 of 8 used"):
        queue.wait_used(8, timeout_seconds=0.4)
    worker.join()


def test_lost_wakeup_is_the_kernels_fault() -> None:
    """The agent tells an OSError as the kernel's, and all else as a bug of ours."""
    assert issubclass(LostWakeupError, OSError)


@pytest.mark.parametrize(("served", "lost_wakeups"), [(8, 1), (5, 0)])
def test_lost_wakeups_are_told_from_lost_packets(
    queue: Virtqueue, monkeypatch: pytest.MonkeyPatch, served: int, lost_wakeups: int
) -> None:
    monkeypatch.setattr("ksuite.dut.vhost_transfer.WAIT_SECONDS", 0.4)
    device = Device(queue)
    device.mute = True
    patience = Patience(queue)
    queue.post(np.arange(8))
    worker = threading.Timer(0.02, device.serve, [served])
    worker.start()
    assert patience.wait(8)
    worker.join()
    assert (patience.timeouts, patience.lost_wakeups) == (1, lost_wakeups)
    assert patience.expected == served


def test_patience_ends(queue: Virtqueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ksuite.dut.vhost_transfer.WAIT_SECONDS", 0.001)
    patience = Patience(queue)
    assert [patience.wait(1) for _ in range(5)] == [True] * 4 + [False]


@pytest.mark.parametrize(("head", "used"), [(SIZE, 1), (0, SIZE + 1), (3, 9)])
def test_device_that_returns_what_it_was_not_given(queue: Virtqueue, head: int, used: int) -> None:
    """A head beyond the ring, or more chains than were posted: the kernel's fault, not ours."""
    device = Device(queue)
    queue.post(np.arange(8))
    device.used[:, 0] = head
    device.used_idx[0] = used
    with pytest.raises(OSError, match="used"):
        queue.take_used()


def test_error_is_signalled_once(queue: Virtqueue) -> None:
    assert not queue.error_signalled(timeout_seconds=0.01)
    os.eventfd_write(queue.err_fd, 1)
    assert queue.error_signalled(timeout_seconds=0.01)
    assert not queue.error_signalled(timeout_seconds=0.01)


def test_close_closes_the_eventfds(event_queue: Virtqueue) -> None:
    queue = Virtqueue(Memory(1 << 20), SIZE, 64, writable=True, event_idx=True)
    fds = (queue.kick_fd, queue.call_fd, queue.err_fd)
    queue.close()
    for fd in fds:
        assert fd != event_queue.kick_fd
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
