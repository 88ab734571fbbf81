"""Judges a report of `dipole conformance --json`: python3 conformance.py REPORT

Every statement of the contract that the kit covers has to be in it, none may have failed, and only
those may be not applicable that are listed here with their reason.
"""

import json
import sys
from collections import Counter

GROUPS = {"B": 54, "S": 34, "D": 8, "L": 13}
# These carry streams (S), all others byte streams (B); `sim` is judged as both.
OF_STREAMS = {"quinn", "s2n", "sim-streams"}
OF_BOTH = {"sim"}

# A library under TLS, `NAME+tls`, is judged as a byte stream and by a server's handshakes.
UNDER_TLS = [f"B{number}" for number in range(1, GROUPS["B"] + 1)] + ["L8", "L9", "L11", "L12"]
# These need what not every machine has: a name with an IPv4 and an IPv6 address; IPv6 itself.
MACHINE = {"D5", "B51"}
# No TCP (D5), no descriptor for each connection (L5), none that is given (L6), no paths (L7); TLS is
# not a layer of its own (D6 to D8); no host serves streams yet (L8 to L13).
OF_QUIC = {"D5", "D6", "D7", "D8", "L5", "L6", "L7", "L8", "L9", "L10", "L11", "L12", "L13"}
NOT_APPLICABLE = {
    "tokio": MACHINE,
    "uring": MACHINE,
    # No TCP, no descriptors, no paths: B53 is TCP_NODELAY, D5 two address families, L5 EMFILE, L6 a
    # listener given as a descriptor, L7 a Unix path, L13 another library on the same socket.
    # Its streams have nothing to queue that could go first (S24), and no early data (S32).
    "sim": {"B53", "S24", "S32", "D5", "L5", "L6", "L7", "L13"},
    # Nor has it a handshake (L4) beside what QUIC lacks.
    "sim-streams": OF_QUIC | {"S24", "S32", "L4"},
    "quinn": OF_QUIC,
    # s2n-quic has no priorities (S24) and no early data (S32). S30 is judged without its
    # migration: see the crate's head.
    "s2n": OF_QUIC | {"S24", "S32"},
}


def main(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    network, cases = report["network"], report["cases"]
    other_kind = "B" if network in OF_STREAMS else "S"
    if network in OF_BOTH:
        other_kind = None
    groups = {group: last for group, last in GROUPS.items() if group != other_kind}
    wanted = [f"{group}{number}" for group, last in groups.items() for number in range(1, last + 1)]
    library = network.removesuffix("+tls")
    if library != network:
        wanted = UNDER_TLS
    found = Counter(case["id"] for case in cases)
    wrong = [f"{name} is missing" for name in wanted if name not in found]
    wrong += [f"{name} is there {times} times" for name, times in found.items() if times > 1]
    wrong += [f"{name} is unknown here" for name in found if name not in wanted]
    for case in cases:
        name, status = case["id"], case["status"]
        if status == "not_applicable" and name not in NOT_APPLICABLE[library]:
            wrong.append(f"{name} is not applicable, without need: {case['detail']}")
        elif status not in ("passed", "not_applicable"):
            wrong.append(f"{name} {status}: {case['sentence']}: {case['detail']}")
    counts = Counter(case["status"] for case in cases)
    print(f"{network}: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    for line in wrong:
        print(f"  {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
