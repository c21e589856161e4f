# SPDX-License-Identifier: GPL-2.0-or-later
"""What several suites make their packets of, with scapy on the controller."""

from __future__ import annotations

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

HERE, THERE, ELSEWHERE = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
ETHER = Ether(src=HERE, dst=THERE)
IP4 = ETHER / IP(src="10.0.0.1", dst="10.0.1.1")
IP6 = ETHER / IPv6(src="2001:db8::1", dst="2001:db8:1::1")
DATA = bytes(range(32))
