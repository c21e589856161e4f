# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that the DUT's kernel tracks, for checks that share a guest."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from ksuite.dut.netlink import NLM_F_ACK, message, must_be_acknowledged

COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")
NETLINK_NETFILTER = 12
DELETE = 1 << 8 | 2
"""NFNL_SUBSYS_CTNETLINK and IPCTNL_MSG_CT_DELETE; without attributes it means all of them."""
FAMILY = struct.Struct("=BBH")
"""struct nfgenmsg: family, version, resource."""
ANSWER_BYTES = 4096


def forget() -> None:
    """Have the kernel forget every connection: none was seen before.

    :raises OSError: it has some, and can't (CONFIG_NF_CT_NETLINK).
    """
    if not COUNT.exists() or not int(COUNT.read_text()):
        return
    body = FAMILY.pack(socket.AF_UNSPEC, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.send(message(DELETE, NLM_F_ACK, body))
        must_be_acknowledged(netlink.recv(ANSWER_BYTES), "forgetting connections")
