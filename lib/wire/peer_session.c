/* The freshness half of <lb/peer_msg.h>: which datagrams of a peer are new, told without a clock. */
#include <lb/peer_msg.h>

void peer_session_stamp(struct peer_session *s, struct peer_msg *msg)
{
	msg->nonce = s->own_nonce;
	msg->sequence = ++s->own_sequence;
	msg->echo_nonce = s->nonce;
	msg->echo_sequence = s->sequence;
	if (s->candidate == 0)
		return;

	/*
	 * Somebody new spoke: give it what it needs to prove itself. Once only when there is a proven nonce, because
	 * the candidate may be a recording and the living peer is to go on seeing that it is heard.
	 */
	msg->echo_nonce = s->candidate;
	msg->echo_sequence = s->candidate_sequence;
	if (s->proven)
		s->candidate = 0;
}

/*
 * A nonce is fresh when it echoes a datagram of ours that no earlier incarnation can have heard: of this process, and
 * newer than everything the proven one has acknowledged. A recording of a former incarnation fails the second test.
 */
static bool proves_itself(const struct peer_session *s, const struct peer_msg *msg)
{
	return msg->echo_nonce == s->own_nonce && msg->echo_sequence > s->echoed &&
	       msg->echo_sequence <= s->own_sequence;
}

enum peer_drop peer_session_accept(struct peer_session *s, const struct peer_msg *msg, bool *reply)
{
	*reply = false;
	if (s->proven && msg->nonce == s->nonce) {
		if (msg->sequence <= s->sequence)
			return PEER_DROP_REPLAY;
		s->sequence = msg->sequence;
		if (proves_itself(s, msg))
			s->echoed = msg->echo_sequence;
		return PEER_OK;
	}

	if (!proves_itself(s, msg)) {
		s->candidate = msg->nonce;
		s->candidate_sequence = msg->sequence;
		*reply = true;
		return PEER_DROP_REPLAY;
	}

	s->nonce = msg->nonce;
	s->sequence = msg->sequence;
	s->echoed = msg->echo_sequence;
	s->proven = true;
	s->candidate = 0;
	return PEER_OK;
}
