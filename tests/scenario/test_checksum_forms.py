"""Goal: both readings of the checksum of version 3 are spoken and understood, as the configuration says."""

from __future__ import annotations

import pytest

from lab import Lab, capture, eventually, forge
from trial import metric, transitions

pytestmark = pytest.mark.patient

# Which form is sent with the pseudo header, and which are accepted: with it, without it.
FORMS = {"auto": (True, (True, True)), "pseudo": (True, (True, False)), "message": (False, (False, True))}
COUNT = 20
WRONG = 'lbd_adverts_dropped_total{reason="checksum"}'
ACCEPTED = {True: 'lbd_adverts_accepted_total{checksum="pseudo"}', False: 'lbd_adverts_accepted_total{checksum="message"}'}


@pytest.mark.parametrize("form", FORMS)
def test_form(lab: Lab, form: str) -> None:
    """What leaves a node has the one form, byte for byte; of what arrives each form is taken or refused by its reason."""
    with_header, accepted = FORMS[form]
    owner = lab.start(lab.config(append=f"election: {{auth: none, v3_checksum: {form}}}\n"))
    peer = lab.other(owner)
    before = sum(map(transitions, lab.lbs))
    sent = capture.frames(peer, forge.VRRP_PROTOCOL, 5)
    vrid, priority = sent[0][35], sent[0][36]
    wanted = forge.advert(owner.address, peer.address, vrid, priority, with_header=with_header)
    assert {frame[34 : 34 + len(wanted)] for frame in sent} == {wanted}

    # A lower priority than the owner's, in the name of its peer: answered and otherwise of no effect.
    with forge.Sender(lab.observer) as sender:
        for header, taken in zip((True, False), accepted):
            had, refused = metric(owner, "lbd_adverts_received_total"), metric(owner, WRONG)
            counted = metric(owner, ACCEPTED[header])
            message = forge.advert(peer.address, owner.address, vrid, 1, with_header=header)
            for _ in range(COUNT):
                sender.send(forge.packet(peer.address, owner.address, message))
            eventually(lambda h=had: metric(owner, "lbd_adverts_received_total") >= h + COUNT, 2.0, f"{COUNT} adverts received")
            assert metric(owner, WRONG) - refused == (0 if taken else COUNT)
            assert metric(owner, ACCEPTED[header]) - counted == (COUNT if taken else 0)
    assert lab.owner() is owner and sum(map(transitions, lab.lbs)) == before
    assert metric(peer, WRONG) == 0
